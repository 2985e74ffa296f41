"""The quality benchmark: real drops through the platform's cleaning and features.

Here: filling a separate lake for the benchmark and reading the folds' rows from it.
Not here: folds and metrics (`fraud_platform.training.quality`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import watermark
from fraud_platform.cleaning import publish_drop
from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.raw_text import UnpackLimits, sha256_of
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.ingest.folder import drops_in
from fraud_platform.operations.platform_state import read_drop_days, write_drop_days
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.training.quality import FOLD_DAYS, FOLD_STARTS, QualityReport, score_folds

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession


def measure_quality(settings: Settings, drops: Path) -> QualityReport:
    """Clean the drops, build their features, and score the folds."""
    paths = drops_in(drops)
    spark = open_session(settings)
    with tempfile.TemporaryDirectory() as folder:
        return score_folds(_rows(spark, Lake(folder), paths, settings), settings.seed)


def _rows(
    spark: SparkSession, lake: Lake, drops: Mapping[str, Path], settings: Settings
) -> pd.DataFrame:
    from pyspark.sql import functions as F

    for drop, path in sorted(drops.items()):
        publish_drop(
            spark,
            lake,
            str(path.absolute()),
            drop,
            content_sha256=sha256_of(lake.files, str(path.absolute())),
            size_bytes=path.stat().st_size,
            run_id="bench quality",
            limits=Limits.from_settings(settings),
            unpacking=UnpackLimits.from_settings(settings),
        )
    write_drop_days(spark, lake)
    days = read_drop_days(lake)
    end = watermark(days)
    needed = FOLD_STARTS[0], FOLD_STARTS[-1] + timedelta(days=FOLD_DAYS)
    if end is None or min(d.day for d in days) > needed[0] or end < needed[1]:
        found = f"{min(d.day for d in days)} to {end}" if end else "no clean rows"
        raise NotEnoughDataError(
            f"bench quality: expected drops of {needed[0]} to {needed[1]}, found {found}. Set "
            "--drops to the folder of the Handbook's four drops."
        )
    materialize_days(spark, lake, min(d.day for d in days), end - timedelta(days=1))
    first: date = FOLD_STARTS[0]
    labels = lake.read(spark, TRANSACTIONS).select("transaction_id", "is_fraud")
    features = lake.read(spark, TRANSACTION_FEATURES).where(F.col("tx_date") >= first)
    return features.join(labels, "transaction_id").toArrow().to_pandas()
