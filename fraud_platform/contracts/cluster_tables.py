"""The ledger of ephemeral clusters.

Here: its columns.
Not here: writing it (`adapters.spark.clusters.ledger`), clusters (`adapters.spark.clusters`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

CLUSTERS = TableContract(
    name="clusters",
    description=(
        "Every cluster created for a run, one row for each step of its life: `requested`, `ready`, "
        "`ended`. The last row of a cluster is its current state. Append-only."
    ),
    columns=(
        Column("cluster_id", "string", "Name of the cluster; also its tag at the provider."),
        Column("step", "string", "`requested`, `ready` or `ended`."),
        Column("run_id", "string", "The Dagster run that it was created for."),
        Column("provider", "string", "`standalone`, `yarn` or `emr`."),
        Column("workers", "int", "Number of workers or executors."),
        Column("cores", "int", "Total number of cores."),
        Column("worker_memory", "string", "Memory of each worker's executor."),
        Column("host", "string", "Host of the run's process."),
        Column("pid", "long", "Process id of the run."),
        Column("process_started", "double", "Start of that process, seconds since 1970."),
        Column("requested_at", "timestamp", "Time of the request (UTC)."),
        Column("ready_at", "timestamp", "Time when it was ready (UTC).", nullable=True),
        Column("ended_at", "timestamp", "Time when it was deleted (UTC).", nullable=True),
        Column("outcome", "string", "Why it ended.", nullable=True),
        Column("seconds", "double", "Seconds from the request to the end.", nullable=True),
        Column("core_hours", "double", "Cores times hours.", nullable=True),
        Column("price_per_core_hour", "double", "The configured price."),
        Column("cost", "double", "core_hours times the price.", nullable=True),
    ),
    key=("cluster_id", "step"),
    keeps_versions=False,
)
