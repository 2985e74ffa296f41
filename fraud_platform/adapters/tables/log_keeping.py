"""Retention of a table's log, as table properties.

Here: the properties of tables whose versions are named, and of tables of many small commits.
Not here: cleaning (`adapters.tables.upkeep`), reading a log during cleanup
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
"""For tables of many small commits, whose old versions are never named. `tables.upkeep` cleans the
log, because a commit that also cleans takes twice as long. A commit older than the retention may be
removed as soon as another follows it, so a reader of a version reads it at once. A commit reads the
log since the checkpoint, 0.1 ms per entry: with Delta's default of 100 entries it takes 50 %
longer, and a checkpoint takes 50 ms instead of 20 ms.
"""
