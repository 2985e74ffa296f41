"""Clusters that are made for one run and always deleted after it.

Here: the interface of providers (`provider`), three providers (`standalone`, `yarn`, `emr`), the
life of a cluster (`ephemeral`), its ledger (`ledger`), what outlived its run (`reaper`).
Not here: sessions on a cluster (`adapters.spark.session`), Dagster's part
(`fraud_platform.defs.clusters`).
"""
