"""Cleaning: a drop's lines become clean transactions and quarantined rows, counted.

Here: the data contract's rules on lines, duplicates, held drops and labels, and publishing a drop.
Not here: fetching drops (`fraud_platform.ingest`), when to clean (`fraud_platform.defs`).

The way of a drop, module by module: `raw_text` opens it and `header` checks its first line;
`lines` cuts its bytes into lines; `canonical` parses the lines that are written as the contract
writes them, many at once, and `judge` every other line, one by one; `duplicates` finds the ids
that stand more than once; `tasks` runs all this inside Spark and writes Parquet files with
`parquet_files`; `publish` decides whether the drop is held and commits, with `labels` and `ledger`.
"""

from fraud_platform.cleaning.label_clock import LabelClock
from fraud_platform.cleaning.ledger import DropOutcome
from fraud_platform.cleaning.publish import publish_drop

__all__ = ["DropOutcome", "LabelClock", "publish_drop"]
