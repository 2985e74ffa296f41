"""The ledger of clusters that were made for a run.

Here: its columns.
Not here: writing it (`adapters.spark.clusters.ledger`), clusters (`adapters.spark.clusters`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

CLUSTERS = TableContract(
    name="clusters",
    description=(
        "Every cluster made for a run, one row for each step of its life: `requested`, `ready`, "
        "`ended`. The last row of a cluster is what it is now; only appended to."
    ),
    columns=(
        Column("cluster_id", "string", "The cluster; also its tag at the provider."),
        Column("step", "string", "`requested`, `ready` or `ended`."),
        Column("run_id", "string", "The Dagster run that it was made for."),
        Column("provider", "string", "`standalone`, `yarn` or `emr`."),
        Column("workers", "int", "Workers, or executors."),
        Column("cores", "int", "Cores of all workers together."),
        Column("worker_memory", "string", "Memory of each worker's executor."),
        Column("host", "string", "Host of the run's process."),
        Column("pid", "long", "The run's process."),
        Column("process_started", "double", "When that process started, seconds since 1970."),
        Column("requested_at", "timestamp", "When it was asked for (UTC)."),
        Column("ready_at", "timestamp", "When it could be worked on (UTC).", nullable=True),
        Column("ended_at", "timestamp", "When it was gone (UTC).", nullable=True),
        Column("outcome", "string", "Why it ended.", nullable=True),
        Column("seconds", "double", "From the request to the end.", nullable=True),
        Column("core_hours", "double", "Cores times hours.", nullable=True),
        Column("price_per_core_hour", "double", "The price that was configured."),
        Column("cost", "double", "core_hours times the price.", nullable=True),
    ),
    key=("cluster_id", "step"),
    keeps_versions=False,
)
