"""The features group: hourly tiles and point-in-time features, by day.

Here: one multi-asset over a range of days, because the four tables are derived from one another.
Not here: the features (`fraud_platform.features`), which days are due
(`fraud_platform.calendar.due`).
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import LABEL_LOOKBACK_DAYS
from fraud_platform.contracts.tables import DROP_LABELS, TableContract
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import table_spec, written
from fraud_platform.defs.partitions import ALL_DROPS, DAYS
from fraud_platform.defs.resources import LakeResource, SparkResource
from fraud_platform.errors import DataError
from fraud_platform.features.batch.materialize import DaysOutcome, materialize_days
from fraud_platform.features.lineage import column_sources
from fraud_platform.labels.of_drops import corrected_ids
from fraud_platform.operations.platform_state import (
    PlatformState,
    read_state,
    write_built_days,
)
from fraud_platform.operations.reach import require_days
from fraud_platform.scoring.state.history import write_stream_labels
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.tables.scoring import TOPIC_LABELS

_KINDS = {"spark", "deltalake"}
_TRANSACTIONS = dg.AssetDep("transactions", partition_mapping=ALL_DROPS)
_LABELS = dg.AssetDep("labels", partition_mapping=ALL_DROPS)
_TABLES: dict[str, TableContract] = {
    t.name: t for t in (LABEL_TILES, TERMINAL_TILES, TRANSACTION_FEATURES, CUSTOMER_TILES)
}


@dg.multi_asset(
    name="build_days_of_features",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="features",
    specs=[
        table_spec(
            LABEL_TILES, "features", [_TRANSACTIONS, _LABELS], _KINDS, column_sources(LABEL_TILES)
        ),
        table_spec(
            TERMINAL_TILES, "features", [_TRANSACTIONS], _KINDS, column_sources(TERMINAL_TILES)
        ),
        table_spec(
            TRANSACTION_FEATURES,
            "features",
            [_TRANSACTIONS, LABEL_TILES.name, TERMINAL_TILES.name],
            _KINDS,
            column_sources(TRANSACTION_FEATURES),
        ),
        table_spec(
            CUSTOMER_TILES,
            "features",
            [TRANSACTION_FEATURES.name],
            _KINDS,
            column_sources(CUSTOMER_TILES),
        ),
    ],
)
@stop_or_retry
def build_days_of_features(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    lake: LakeResource,
    settings: SettingsResource,
) -> Iterable[dg.MaterializeResult[None]]:
    """Build the tiles and features of a range of days."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    tables = lake.open()
    state = read_state(tables, settings)
    require_days(days, state.inputs)
    _require_lookback(state, min(days))
    stream_from = _stream_from(spark, tables, state, min(days))
    outcome = materialize_days(spark.spark_session, tables, min(days), max(days), stream_from)
    write_built_days(tables, {d: state.inputs[d] for d in days}, context.run.run_id)
    return [
        dg.MaterializeResult(asset_key=name, metadata=_metadata(tables, name, outcome, len(days)))
        for name in outcome.tables
    ]


def _metadata(lake: Lake, name: str, outcome: DaysOutcome, days: int) -> dict[str, Any]:
    table = outcome.tables[name]
    figures = written(
        lake,
        _TABLES[name],
        **{"dagster/row_count": table.rows},
        seconds=table.seconds,
        first_day=str(outcome.first_day),
        last_day=str(outcome.last_day),
        days=days,
        feature_signature=outcome.signature,
        **{f"read_{source}_version": v for source, v in outcome.read_versions.items()},
    )
    return page(
        f"{table.rows:,} rows of {outcome.first_day} to {outcome.last_day}.",
        {"rows": table.rows, "days": days, "seconds": table.seconds},
        figures,
    )


def _require_lookback(state: PlatformState, first_day: date) -> None:
    """Require that the days in a range's lookback have the currently declared tiles.

    Raises:
        DataError: they were built before a flag or a measure was declared.
    """
    other = state.days_of_other_tiles(first_day - timedelta(days=LABEL_LOOKBACK_DAYS), first_day)
    if other:
        raise DataError(
            f"days from {first_day} on: expected the tiles of the {LABEL_LOOKBACK_DAYS} days "
            f"before as they are declared now, found {len(other)} days from {other[0]} on that "
            "were built before. Build from the earliest such day on, as the schedule "
            "daily_features does."
        )


def _stream_from(
    spark: SparkResource, tables: Lake, state: PlatformState, first_day: date
) -> date | None:
    """Update the stream's labels; return the first day that comes from the stream, not a drop."""
    if state.scored_version is None:
        return None
    first_live = state.first_live_day
    since = min(first_day, first_live) - timedelta(days=LABEL_LOOKBACK_DAYS)
    session = spark.spark_session
    drops, topic = (tables.read(session, table) for table in (DROP_LABELS, TOPIC_LABELS))
    write_stream_labels(tables, first_live, corrected_ids(drops, topic, since))
    return first_live
