"""Snapshots of the scorer's state, made by Spark.

Here: `write_snapshot`, which writes one version of `scoring_state` in one commit, and the choice of
the snapshot to start from.
Not here: loading one (`scoring.state.recovery`), the tiles (`fraud_platform.features`), the
stream's part (`scoring.state.snapshot_stream`).

A snapshot is a checkpoint: with it scorers need not read old days. For transactions before its
midnight it holds the tiles within the lookback of a row that is at most a week late, and the label
tiles that begin to count later. Tiles of drops' days are read from the lake. Days of the stream are
summed again at one version of `scored`, so that the set of included rows is exact.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import DECLARATION, LABEL_LOOKBACK_DAYS, LABEL_LOOKBACK_HOURS
from fraud_platform.contracts.feature_language.terms import MAX_WINDOW_DAYS
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS
from fraud_platform.contracts.time import HOURS_PER_DAY, LATE_DAYS, day_number
from fraud_platform.features.batch.tile_columns import label_tiles
from fraud_platform.labels.rule import begins_in_days, hour_of
from fraud_platform.scoring.state.recovery import MARKS, STREAM_PART, Snapshot, layout
from fraud_platform.scoring.state.snapshot_stream import StreamPart
from fraud_platform.tables.features import CUSTOMER_TILES, LABEL_TILES, TERMINAL_TILES
from fraud_platform.tables.scoring import SCORED, SCORING, SCORING_STATE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from fraud_platform.scoring.ports import SnapshotTables

KEPT_SNAPSHOTS = 2


def newest_snapshot(lake: SnapshotTables) -> Snapshot | None:
    """Return the snapshot of the latest midnight that the stream has reached, at this version.

    A snapshot ahead of the stream (a drop came first) misses days that rows look back to. If every
    snapshot is ahead of the stream, return the earliest.
    """
    version, days = _stored(lake)
    return Snapshot((_reached(lake, days) or days[:1])[-1], version) if days else None


def _stored(lake: SnapshotTables) -> tuple[int, list[date]]:
    """Return the table's version and the midnights that it has snapshots of."""
    found = lake.partitions(SCORING_STATE, "as_of")
    return (0, []) if found is None else (found.version, [*map(date.fromisoformat, found.values)])


def _reached(lake: SnapshotTables, days: list[date]) -> list[date]:
    """Return the midnights that stream time has passed; all of them if there is no stream."""
    stream_second = lake.numbered(SCORED, SCORING).metadata().get("stream_second")
    if stream_second is None:
        return days
    now = datetime.fromtimestamp(stream_second, UTC)
    return [day for day in days if day <= now.date()]


def write_snapshot(
    spark: SparkSession,
    lake: SnapshotTables,
    as_of: date,
    duplicate_horizon_days: int,
    stream_from: date | None = None,
) -> Snapshot:
    """Make the snapshot of a midnight: replace an earlier one of that midnight, drop old ones.

    Rows are written in the order in which they are read: tiles are already grouped by day, and
    sorting 200 million of them takes longer than everything else here.

    Args:
        as_of: every day before it that holds transactions must have its tiles built.
        duplicate_horizon_days: how long scorers remember an id.
        stream_from: the first day that comes from the stream, not from a drop; None if there is
            none.
    """
    stream = StreamPart(spark, lake, as_of, stream_from or as_of, duplicate_horizon_days)
    parts = _parts(spark, lake, as_of, stream)
    rows = reduce(lambda a, b: a.unionByName(b), parts)
    others = [day for day in _stored(lake)[1] if day != as_of]
    kept = {*others[-(KEPT_SNAPSHOTS - 1) :], *_reached(lake, others)[-1:]}
    replaced = sorted(str(day) for day in {as_of, *others} - kept)
    version = lake.replace(SCORING_STATE, rows, "as_of", replaced, {"as_of": as_of})
    return Snapshot(as_of, version)


def _parts(
    spark: SparkSession, lake: SnapshotTables, as_of: date, stream: StreamPart
) -> list[DataFrame]:
    from pyspark.sql import functions as F

    end = min(as_of, stream.first_day)
    found: dict[str, list[DataFrame]] = {}
    for table, tile, days in (
        (CUSTOMER_TILES, DECLARATION.customer_tile, MAX_WINDOW_DAYS),
        (TERMINAL_TILES, DECLARATION.terminal_tile, LABEL_LOOKBACK_DAYS),
    ):
        of_drops = _between(lake.read(spark, table), as_of - timedelta(days=days + LATE_DAYS), end)
        of_stream = stream.tiles(tile).select(table.column_names)
        found[tile.name] = [of_drops.unionByName(of_stream)]
    oldest_hour = (day_number(as_of) - LATE_DAYS) * HOURS_PER_DAY - LABEL_LOOKBACK_HOURS
    labels = (
        lake.read(spark, LABEL_TILES)
        .where(F.col("counts_from_date") < F.lit(as_of))
        .where(F.col("event_hour") >= oldest_hour)
    )
    found[DECLARATION.label_tile.name] = [labels, _waiting_labels(spark, lake, as_of)]
    mark = stream.mark().withColumn("entity", F.lit(layout()))
    return [
        *(
            _part(_stored_names(rows, tile), tile.name, as_of, tile.names)
            for tile in DECLARATION.tiles
            for rows in found[tile.name]
        ),
        _part(mark, STREAM_PART, as_of, MARKS),
    ]


def _stored_names(rows: DataFrame, tile: Tile) -> DataFrame:
    """Return tiles with their key as `scoring_state` names it."""
    return rows.withColumnsRenamed({tile.entity_column: "entity_id", tile.hour_column: "hour"})


def _between(tiles: DataFrame, first: date, end: date) -> DataFrame:
    from pyspark.sql import functions as F

    return tiles.where((F.col("tile_date") >= first) & (F.col("tile_date") < end))


def _waiting_labels(spark: SparkSession, lake: SnapshotTables, as_of: date) -> DataFrame:
    """Return label tiles of drops' labels that begin to count at the midnight or later."""
    from pyspark.sql import functions as F

    oldest = as_of - timedelta(days=LABEL_LOOKBACK_DAYS)
    labels = (
        lake.read(spark, DROP_LABELS).where(begins_in_days(oldest, None)).drop("drop", "is_fraud")
    )
    entering = labels.where(begins_in_days(as_of, None))
    before = labels.select(
        "transaction_id",
        (F.col("version") + 1).alias("version"),
        F.col("fraud_scenario").alias("corrected_scenario"),
    )
    rows = (
        lake.read(spark, TRANSACTIONS)
        .where((F.col("tx_date") < F.lit(as_of)) & (F.col("tx_date") >= F.lit(oldest)))
        .select("transaction_id", "customer_id", "terminal_id", "tx_datetime", "amount_cents")
        .join(entering, "transaction_id")
        .join(before, ["transaction_id", "version"], "left")
        .withColumns(
            {
                "event_hour": hour_of("tx_datetime"),
                "counts_from_hour": hour_of("counts_from"),
            }
        )
    )
    named = [
        F.struct(F.lit(entity).alias("entity"), F.col(f"{entity}_id").alias("entity_id"))
        for entity in DECLARATION.label_tile.entities
    ]
    return label_tiles(rows.select("*", F.inline(F.array(*named))), DECLARATION.label_tile)


def _part(rows: DataFrame, part: str, as_of: date, measures: tuple[str, ...]) -> DataFrame:
    """Return rows with the columns of `scoring_state`."""
    from pyspark.sql import functions as F

    zero = F.lit(0).cast("long")
    given = {"as_of": F.lit(as_of), "part": F.lit(part)}
    # null in days that were built before a measure was declared
    given |= {f"v{i}": F.coalesce(F.col(name), zero) for i, name in enumerate(measures)}
    given |= {n: F.lit("") for n in ("entity",) if n not in rows.columns}
    absent = ("terminal_id", "counts_from_hour")
    given |= {n: zero for n in absent if n not in rows.columns}
    columns = SCORING_STATE.column_names
    return rows.select(*(given.get(name, _column(name, rows)).alias(name) for name in columns))


def _column(name: str, rows: DataFrame) -> Column:
    from pyspark.sql import functions as F

    return F.col(name) if name in rows.columns else F.lit(0).cast("long")
