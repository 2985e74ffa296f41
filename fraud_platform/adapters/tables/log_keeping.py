"""How long a table's log is kept, as properties of the table.

Here: the properties of tables whose versions are named, and of tables of many small commits.
Not here: cleaning (`adapters.tables.upkeep`), reading a log meanwhile
(`adapters.tables.log_reading`).
"""

from __future__ import annotations

LOG_KEPT = "interval 36500 days"
"""The log is kept, so that a version that a model names can be read as long as its files are."""
BOUNDED = "delta.dataSkippingStatsColumns"
MANY_COMMITS = {
    "delta.logRetentionDuration": "interval 5 minutes",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}
"""Of tables of many small commits, whose old versions nobody names. `tables.upkeep` cleans the log,
for a commit that does takes twice as long. A commit older than the retention may be gone as soon as
another follows it: who names a version reads it at once. A commit goes through the log since the
checkpoint, 0.1 ms an entry: with Delta's own 100 it takes half as long again, and a checkpoint
50 ms, not 20.
"""
