"""All tables of the lake, in the order in which data flows through them.

Here: the list, for work on every table (vacuum, documentation, tests).
Not here: the tables themselves (the other modules of this package, and `contracts.tables`,
`contracts.clock_tables`, `contracts.model_tables`, `contracts.cluster_tables`).
"""

from __future__ import annotations

from fraud_platform.contracts.clock_tables import DROP_DAYS, FEATURE_DAYS
from fraud_platform.contracts.cluster_tables import CLUSTERS
from fraud_platform.contracts.model_tables import AB_REPORT, PROMOTION_HISTORY
from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
    TableContract,
)
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.tables.scoring import (
    DEAD_LABELS,
    DEAD_LETTERS,
    INFERENCE_PLANS,
    RESCORED,
    SCORED,
    SCORED_DAYS,
    SCORING_STATE,
    STREAM_DISAGREEMENTS,
    STREAM_LABELS,
    TOPIC_LABELS,
)
from fraud_platform.tables.texts import TEXT_EXCEPTIONS, TEXTS
from fraud_platform.tables.training import TRAINING_SET

ALL_TABLES: tuple[TableContract, ...] = (
    TRANSACTIONS,
    QUARANTINE,
    DROP_LABELS,
    TEXTS,
    TEXT_EXCEPTIONS,
    CLEANING_LEDGER,
    DROP_DAYS,
    LABEL_TILES,
    TRANSACTION_FEATURES,
    CUSTOMER_TILES,
    TERMINAL_TILES,
    FEATURE_DAYS,
    TRAINING_SET,
    AB_REPORT,
    PROMOTION_HISTORY,
    SCORING_STATE,
    INFERENCE_PLANS,
    TOPIC_LABELS,
    STREAM_LABELS,
    DEAD_LABELS,
    SCORED,
    SCORED_DAYS,
    DEAD_LETTERS,
    RESCORED,
    STREAM_DISAGREEMENTS,
    CLUSTERS,
)
