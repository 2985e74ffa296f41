"""The data set that this process works on.

Here: `DATA_SET`, which is read once from the variable FRAUD_DATA_SET, its declaration, and its
label delay.
Not here: loading a data set (`contracts.source_language.loading`), data sets
(`fraud_platform.datasets`).

Tables, messages and features all follow from the data set, so a process works on one, chosen before
anything else is imported; the processes that it starts inherit the variable. An executor of a
cluster does not: it gets the declaration with the platform's code (`adapters.spark.code`).
"""

from __future__ import annotations

import json
import os
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.feature_language.terms import MAX_WINDOW_HOURS
from fraud_platform.contracts.source_language.loading import declared_in, load_data_set
from fraud_platform.contracts.time import HOURS_PER_DAY

DATA_SET_VARIABLE = "FRAUD_DATA_SET"
DEFAULT_DATA_SET = "handbook"

HANDED_OVER = "declared_data_set.json"
"""Name and text of the declaration, in the package that executors of a cluster get."""


KEPT_FILE = "declaration/kept.json"
"""In FRAUD_HOME: features that no file declares any more and that are computed all the same."""


KEPT_BESIDE = "features_kept.json"
"""The same next to a copy of a declaration that child processes read."""


def kept_features(reference: str = "") -> list[dict[str, Any]]:
    """Return the features that are computed though a declaration has them no longer.

    They are what `fraud-platform apply` noted, see `contracts.source_language.loading.declared_in`;
    [] without a note.

    Args:
        reference: path of the declaration.
    """
    home = Path(os.environ.get("FRAUD_HOME") or ".fraud_platform")
    beside = [Path(reference).with_name(KEPT_BESIDE)] if reference.endswith(".py") else []
    for path in (*beside, home / KEPT_FILE):
        if path.is_file():
            kept: list[dict[str, Any]] = json.loads(path.read_text())
            return kept
    return []


def _load() -> DataSet:
    """Return the data set that the variable names, or that came with the code, or the default."""
    reference = os.environ.get(DATA_SET_VARIABLE)
    if reference:
        data_set = load_data_set(reference, kept_features(reference))
        if data_set.text:
            # child processes may have another working directory
            os.environ[DATA_SET_VARIABLE] = str(Path(reference).absolute())
        return data_set
    try:
        handed_over = pkgutil.get_data("fraud_platform", HANDED_OVER)
    except OSError:
        handed_over = None
    return (
        declared_in(**json.loads(handed_over)) if handed_over else load_data_set(DEFAULT_DATA_SET)
    )


DATA_SET: DataSet = _load()
SOURCE = DATA_SET.source
DECLARATION = DATA_SET.declaration
MINOR_UNITS = 10**SOURCE.amount.digits
"""So many of the stored units of an amount are one unit of the currency: 100 for EUR, 1 for JPY."""
FEATURE_NAMES = DECLARATION.names
LABEL_DELAY_DAYS = SOURCE.label.delay_days
LABEL_DELAY_HOURS = LABEL_DELAY_DAYS * HOURS_PER_DAY
LABEL_LOOKBACK_HOURS = LABEL_DELAY_HOURS + MAX_WINDOW_HOURS
"""The longest lookback: an event older than this many hours changes no feature."""
LABEL_LOOKBACK_DAYS = LABEL_LOOKBACK_HOURS // HOURS_PER_DAY + 1
"""Number of days before a day whose transactions can have labels that change its features."""


def feature_signature(names: Iterable[str] | None = None) -> str:
    """Return a hash of everything that decides the values of features, all or some of them.

    Args:
        names: the features that a model uses, to be stored with it; None takes all, with which
            days are marked when they are built.
    """
    return DECLARATION.signature() if names is None else DECLARATION.signature_of(names)
