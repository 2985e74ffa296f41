"""Ephemeral clusters: each is created for one run and deleted after it.

Here: the interface of providers (`provider`), three providers (`standalone`, `yarn`, `emr`), the
life cycle of a cluster (`ephemeral`), the ledger of clusters (`ledger`), deleting clusters that
outlived their run (`reaper`).
Not here: sessions on a cluster (`adapters.spark.session`), the Dagster resource and sensor
(`fraud_platform.defs.automation.clusters`).
"""
