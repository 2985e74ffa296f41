"""Cleaning: turns a drop's lines into clean transactions and quarantined rows, all counted.

Here: the data contract's rules on lines, duplicates, held drops and labels, and publishing a drop.
Not here: fetching drops (`fraud_platform.ingest`), when to clean (`fraud_platform.defs`).

A drop passes through the modules in this order: `raw_text` opens it and `header` checks its first
line; `rows.lines` divides its bytes into lines; `rows.canonical` parses lines in canonical form,
many at once, and `rows.judge` parses all other lines one by one; `ids` and `duplicates` find ids
that occur more than once; `tasks` does all this inside Spark, writes Parquet files with
`parquet_files` and counts rows by class (`classes`); `drop` runs these jobs; `holding` decides
whether the drop is held; `publish` commits it, with `labels` and `ledger`.
"""

from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.ledger import DropOutcome
from fraud_platform.cleaning.publish import publish_drop
from fraud_platform.cleaning.raw_text import UnpackLimits
from fraud_platform.labels.drop_clock import LabelClock

__all__ = ["DropOutcome", "LabelClock", "Limits", "UnpackLimits", "publish_drop"]
