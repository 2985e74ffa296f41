"""The data set that this process works on.

Here: `DATA_SET`, which is read once from the variable FRAUD_DATA_SET, its declaration, and its
label delay.
Not here: loading a data set (`contracts.source_language.loading`), data sets
(`fraud_platform.datasets`).

Tables, messages and features all follow from the data set, so a process works on one, chosen before
anything else is imported; the processes that it starts inherit the variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.feature_language.terms import MAX_WINDOW_HOURS
from fraud_platform.contracts.source_language.loading import load_data_set
from fraud_platform.contracts.time import HOURS_PER_DAY

DATA_SET_VARIABLE = "FRAUD_DATA_SET"
DEFAULT_DATA_SET = "handbook"

DATA_SET: DataSet = load_data_set(os.environ.get(DATA_SET_VARIABLE) or DEFAULT_DATA_SET)
SOURCE = DATA_SET.source
DECLARATION = DATA_SET.declaration
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
