"""Mending a table of numbered commits that holds rows more than once.

Here: `mend`, which removes the copies and reports what else to repeat.
Not here: the command (`fraud_platform.cli.live`), removing rows
(`fraud_platform.adapters.tables.mending`).
"""

from __future__ import annotations

import getpass

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.mending import mend_table
from fraud_platform.errors import DataError
from fraud_platform.scoring import label_intake as label_intake
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import (
    OF_MANY_COMMITS,
    SCORED,
    TOPIC_LABELS,
)


def mend(settings: Settings, name: str, why: str) -> str:
    """Remove repeated rows from a table of numbered commits; return what was done.

    Raises:
        DataError: there is no such table, or copies of a row differ; nothing was changed.
    """
    tables = {table.name: table for table in OF_MANY_COMMITS}
    if name not in tables:
        raise DataError(
            f"mend-table: expected one of {', '.join(tables)}, found {name}. Other tables are "
            "replaced whole by the runs that make them: materialize them again."
        )
    mended = mend_table(Lake(settings.lake), tables[name], why, getpass.getuser())
    if not mended.removed or name not in (SCORED.name, TOPIC_LABELS.name):
        return str(mended)
    return (
        f"{mended}. Data derived from it while rows counted twice stays wrong: features and "
        "scores since then, and snapshots and tiles of the stream. Materialize scoring_state and "
        "the days that came from the stream again; fraud-platform replay --range scores "
        "micro-batches again."
    )
