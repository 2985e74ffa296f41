"""The report of `replay --model`: the deciding model and another one on the same rows.

Here: reading the rescored rows with their known labels, and the text of the report.
Not here: scoring the rows again (`operations.live.replay`), counting and comparing
(`fraud_platform.comparison`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fraud_platform.adapters.models.storing import MODEL_NAME
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows, ScoredModel
from fraud_platform.comparison.paired import PairedAlerts, threshold_of
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import RESCORED, SCORED, TOPIC_LABELS

if TYPE_CHECKING:
    import pandas as pd

_CONTENTS = ["transaction_id", "tx_datetime", "customer_id", "terminal_id", "amount_cents"]


def comparison_words(settings: Settings, first: int, last: int, version: int) -> Iterator[str]:
    """Yield the paired comparison of a rescored range, one text for each deciding model."""
    lake = Lake(settings.lake)
    rows = _rescored(lake, first, last, version)
    labels = _labels(lake, rows)
    rows = rows.merge(labels, "left", "transaction_id")
    for decided in sorted(set(rows["decided_by_version"].tolist())):
        own = rows[rows["decided_by_version"] == decided]
        new, old = _models(own, version, decided)
        yield str(PairedAlerts.of(new, old))
        yield _with_labels(settings, own[own["is_fraud"].notna()], version, decided)


def _rescored(lake: Lake, first: int, last: int, version: int) -> pd.DataFrame:
    span = [("micro_batch", ">=", first), ("micro_batch", "<=", last)]
    again = lake.read_arrow(RESCORED, [("model_version", "=", version), *span]).to_pandas()
    contents = lake.read_arrow(SCORED, span, _CONTENTS).to_pandas()
    return again.merge(contents, "inner", "transaction_id", validate="one_to_one")


def _labels(lake: Lake, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the last known label of each row that has one: the later one of drop and topic."""
    import pandas as pd

    columns = ["transaction_id", "is_fraud", "fraud_scenario", "known_at"]
    tables = [lake.read_arrow(table, None, columns).to_pandas() for table in _LABEL_TABLES]
    known = pd.concat(tables, ignore_index=True)
    known = known[known["transaction_id"].isin(rows["transaction_id"])]
    known = known.sort_values("known_at", kind="stable")
    return known.drop_duplicates("transaction_id", keep="last").drop(columns="known_at")


_LABEL_TABLES = (DROP_LABELS, TOPIC_LABELS)


def _models(rows: pd.DataFrame, version: int, decided: int) -> tuple[ScoredModel, ScoredModel]:
    def model(number: int, probability: str, alert: str) -> ScoredModel:
        values = rows[probability].to_numpy(np.float64)
        threshold = threshold_of(values, rows[alert].to_numpy(bool))
        return ScoredModel(MODEL_NAME, str(number), values, threshold)

    return (
        model(version, "fraud_probability", "is_alert"),
        model(decided, "decided_probability", "decided_alert"),
    )


def _with_labels(settings: Settings, rows: pd.DataFrame, version: int, decided: int) -> str:
    """Return the paired metrics of the rows with known labels, or why there are none."""
    if rows.empty:
        return "No label of these rows is known yet, so no metric compares the two."
    frame = rows.assign(
        tx_date=rows["tx_datetime"].dt.date,
        is_fraud=rows["is_fraud"].astype(bool),
        fraud_scenario=rows["fraud_scenario"].astype(np.int64),
    )
    new, old = _models(frame, version, decided)
    try:
        result = compare_models(
            ComparisonRows.from_columns(frame), new, old, ComparisonConfig.from_settings(settings)
        )
    except NotEnoughDataError as error:
        return f"Labels of {len(frame):,} rows are known; no metric compares the two: {error}"
    return (
        f"On the {len(frame):,} rows whose labels are known (candidate: version {version}, "
        f"champion: version {decided}):\n\n{result}"
    )
