"""The data set of the Fraud Detection Handbook's simulator.

Here: its source, its features, the probabilities that follow from its construction, and `DATA_SET`.
Not here: other data sets (a team's own file), the language of declarations
(`fraud_platform.declare`).
"""

from fraud_platform.contracts.data_set import DataSet
from fraud_platform.datasets.handbook.features import (
    CHOSEN_NAMES,
    DECLARATION,
    HANDBOOK_NAMES,
    RISING_NAMES,
)
from fraud_platform.datasets.handbook.posterior import PRIOR_NAME
from fraud_platform.datasets.handbook.source import Transaction

DATA_SET = DataSet(
    "handbook",
    Transaction.spec,
    DECLARATION,
    CHOSEN_NAMES,
    RISING_NAMES,
    PRIOR_NAME,
    {"15 of the Handbook, hourly": HANDBOOK_NAMES},
    fits_fast_parser=True,
    sizes_trees=False,  # their size was chosen on folds that end before 2018-06-27
)
