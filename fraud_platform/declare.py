"""The names that a declaration of a data set uses: `from fraud_platform.declare import ...`.

Here: the public names.
Not here: what they mean (`contracts.source_language`), the guide (docs/own_data.md).
"""

from fraud_platform.contracts.feature_language.declarables import Feature
from fraud_platform.contracts.feature_language.expressions import (
    greatest,
    least,
    ratio,
    square_root,
    where,
)
from fraud_platform.contracts.source_language.columns import (
    categorical,
    csv,
    entity,
    fraud_label,
    identifier,
    json,
    json_lines,
    money,
    number,
    parquet,
    text,
    timestamp,
)
from fraud_platform.contracts.source_language.defaults import default_features
from fraud_platform.contracts.source_language.features import (
    count,
    day_of_week,
    distance_km,
    feature,
    first_seen,
    hour_of_day,
    hours_since_last,
    is_in,
    known_fraud_share,
    known_frauds,
    known_genuine_mean,
    mean,
    total,
    visits,
)
from fraud_platform.contracts.source_language.source import Source

__all__ = [
    "Feature",
    "Source",
    "categorical",
    "count",
    "csv",
    "day_of_week",
    "default_features",
    "distance_km",
    "entity",
    "feature",
    "first_seen",
    "fraud_label",
    "greatest",
    "hour_of_day",
    "hours_since_last",
    "identifier",
    "is_in",
    "json",
    "json_lines",
    "known_fraud_share",
    "known_frauds",
    "known_genuine_mean",
    "least",
    "mean",
    "money",
    "number",
    "parquet",
    "ratio",
    "square_root",
    "text",
    "timestamp",
    "total",
    "visits",
    "where",
]
