"""The properties of a table: how long its log is kept, and which columns have statistics.

Here: the properties of tables whose versions are named, and of tables of many small commits.
Not here: cleaning (`adapters.tables.compaction`), reading a log during cleanup
(`adapters.tables.log_reading`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import TableContract

LOG_KEPT = "interval 36500 days"
"""The log is kept, so that a version that a model names can be read as long as its files are."""
BOUNDED = "delta.dataSkippingStatsColumns"
"""The columns whose bounds each file has. If a column has none and this does not exclude it,
deltalake takes its bounds as null, and a filter on the column finds no row.
"""
NO_BOUNDS = "delta.dataSkippingNumIndexedCols"
"""The number of columns with bounds, if `BOUNDED` does not name them; deltalake assumes 32."""
MANY_COMMITS = {
    "delta.logRetentionDuration": "interval 5 minutes",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}
"""For tables of many small commits, whose old versions are never named. `tables.compaction` cleans
the log, because a commit that also cleans takes twice as long. A commit older than the retention
may be removed as soon as another follows it, so a reader of a version reads it at once. A commit
reads the log since the checkpoint, 0.1 ms per entry: with Delta's default of 100 entries it
takes 50 % longer, and a checkpoint takes 50 ms instead of 20 ms.
"""


def properties_of(table: TableContract) -> dict[str, str]:
    """Return the properties that a table has, also one that an earlier version made."""
    kept = {"delta.logRetentionDuration": LOG_KEPT} if table.keeps_versions else MANY_COMMITS
    return {**kept, **({BOUNDED: ",".join(table.bounded)} if table.bounded else {NO_BOUNDS: "0"})}
