"""The cleaned group: transactions, quarantine, labels and the ledger, one drop at a time.

Here: one multi-asset, because one run writes the four tables in a fixed order.
Not here: the rules of cleaning (`fraud_platform.cleaning`), the profile's numbers
(`fraud_platform.reporting`).
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import dagster as dg

from fraud_platform.adapters.storage.failures import first_line
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import watermark
from fraud_platform.cleaning import (
    DropOutcome,
    LabelClock,
    Limits,
    UnpackLimits,
    publish_drop,
)
from fraud_platform.cleaning.fraud_share import note_on_fraud_share
from fraud_platform.contracts.active import LABEL_DELAY_DAYS, SOURCE
from fraud_platform.contracts.quarantine_reasons import Repair
from fraud_platform.contracts.reason_words import REASON_DESCRIPTIONS, REASON_NAMES
from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
)
from fraud_platform.contracts.time import midnight
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import (
    picture,
    shown_or_warned,
    small_table,
    table_spec,
    written,
)
from fraud_platform.defs.partitions import DROPS
from fraud_platform.defs.resources import LakeResource, SparkResource, ZonesResource
from fraud_platform.errors import FraudPlatformError, Outage
from fraud_platform.ingest import raw_drop
from fraud_platform.operations.needs import held_drops
from fraud_platform.operations.platform_state import read_drop_days, write_drop_days
from fraud_platform.reporting.drop_profile import profile_drop
from fraud_platform.reporting.drop_profile_figure import draw_profile
from fraud_platform.reporting.needs import NOTHING
from fraud_platform.scoring.state.history import stream_front, topic_labels

_RAW = "raw_drops"
_FROM_COLUMNS = {
    "transaction_id": (SOURCE.transaction_id.column,),
    "tx_datetime": SOURCE.booked.columns,
    "tx_date": SOURCE.booked.columns,
    "customer_id": (SOURCE.customer.column,),
    "terminal_id": (SOURCE.counterparty.column,),
    "amount_cents": (SOURCE.amount.column,),
    "is_fraud": (SOURCE.label.column,),
    "fraud_scenario": (SOURCE.label.kind_column or SOURCE.label.column,),
    **{fact.stored_as: (fact.column,) for fact in SOURCE.facts},
}
_FROM_RAW = {name: [(_RAW, one) for one in columns] for name, columns in _FROM_COLUMNS.items()}
_LABEL_LINEAGE = {
    name: [("transactions", name)] for name in ("transaction_id", "is_fraud", "fraud_scenario")
} | {name: [("transactions", "tx_datetime")] for name in ("known_at", "counts_from")}
_KINDS = {"spark", "deltalake"}


class CleaningConfig(dg.Config):
    """A person's decision on a held drop."""

    accepted_because: str | None = None


@dg.multi_asset(
    name="clean_drop",
    partitions_def=DROPS,
    pool="transactions",
    specs=[
        table_spec(QUARANTINE, "cleaned", [_RAW], _KINDS, {}),
        table_spec(TRANSACTIONS, "cleaned", [_RAW], _KINDS, _FROM_RAW, skippable=True),
        table_spec(
            DROP_LABELS,
            "cleaned",
            ["transactions"],
            _KINDS,
            _LABEL_LINEAGE,
            name="labels",
            skippable=True,
        ),
        table_spec(
            CLEANING_LEDGER, "cleaned", ["transactions", "quarantine", "labels"], _KINDS, {}
        ),
    ],
)
@stop_or_retry
def clean_drop(
    context: dg.AssetExecutionContext,
    config: CleaningConfig,
    spark: SparkResource,
    lake: LakeResource,
    zones: ZonesResource,
    settings: SettingsResource,
) -> Iterable[dg.MaterializeResult[None]]:
    """Clean one drop and publish it, or hold it."""
    raw = raw_drop(zones.open(zones.raw_url), context.partition_key)
    tables = lake.open()
    outcome = publish_drop(
        spark.spark_session,
        tables,
        raw.url,
        raw.drop,
        content_sha256=raw.sha256,
        size_bytes=raw.size_bytes,
        run_id=context.run.run_id,
        limits=Limits.from_settings(settings),
        unpacking=UnpackLimits.from_settings(settings),
        accepted_because=config.accepted_because,
        clock=_label_clock(tables),
    )
    _count_days(spark, tables, outcome)
    return _results(context, tables, outcome, spark)


def _count_days(spark: SparkResource, lake: Lake, outcome: DropOutcome) -> None:
    """Count the days of the published drop; the clocks need these counts.

    Raises:
        Outage: counting failed; publishing again changes no row, and counts the days.
    """
    try:
        write_drop_days(spark.spark_session, lake)
    except FraudPlatformError:
        raise
    except Exception as error:
        raise Outage(
            f"drop {outcome.drop} is {outcome.status}, and its days could not be counted "
            f"({type(error).__name__}: {first_line(error)}). Run it again."
        ) from error


def _label_clock(lake: Lake) -> LabelClock:
    """Return the label clock, which decides when labels that land now count."""
    end = watermark(read_drop_days(lake))
    watermark_time = None if end is None else midnight(end)
    now = stream_front(lake)
    topic_labels_since = None if now is None else partial(topic_labels, lake)
    return LabelClock(now, watermark_time, topic_labels_since)


def _results(
    context: dg.AssetExecutionContext, lake: Lake, outcome: DropOutcome, spark: SparkResource
) -> Iterable[dg.MaterializeResult[None]]:
    """Report what was written; a held drop moves nothing downstream.

    The tables are already committed: a failed report is only a warning on the asset's page.
    """
    row = outcome.ledger
    shown = partial(shown_or_warned, context.log)
    yield dg.MaterializeResult(
        asset_key=QUARANTINE.name,
        metadata=shown("the rejected rows", lambda: _quarantine_metadata(lake, row)),
    )
    if outcome.is_published:
        if note := _fraud_note(lake, row):
            context.log.warning(f"drop {outcome.drop}: {note}")
        yield dg.MaterializeResult(
            asset_key=TRANSACTIONS.name,
            metadata=shown("the counts", lambda: _transactions_metadata(lake, outcome))
            | shown("the profile", lambda: _profile_metadata(lake, outcome, spark)),
        )
        yield dg.MaterializeResult(
            asset_key="labels", metadata=shown("the table", lambda: _labels_metadata(lake, row))
        )
    for need in held_drops(lake):
        if need.what == f"drop {outcome.drop}":
            context.log.warning(f"needs you: {need}")
    yield dg.MaterializeResult(
        asset_key=CLEANING_LEDGER.name,
        metadata=shown("the ledger's row", lambda: _ledger_metadata(lake, row)),
    )


def _fraud_note(lake: Lake, row: Mapping[str, Any]) -> str | None:
    ledger = {other["drop"]: other for other in lake.read_arrow(CLEANING_LEDGER).to_pylist()}
    return note_on_fraud_share(row, ledger)


def _quarantine_metadata(lake: Lake, row: Mapping[str, Any]) -> dict[str, Any]:
    rejects = [
        {"reason": str(r), "rows": row[f"rejected_{r}"], "fits when": REASON_DESCRIPTIONS[r]}
        for r in REASON_NAMES
    ]
    found = {str(r): row[f"rejected_{r}"] for r in REASON_NAMES if row[f"rejected_{r}"]}
    share = row["rows_quarantined"] / max(row["rows_read"], 1)
    return page(
        f"{row['rows_quarantined']:,} of {row['rows_read']:,} rows of drop {row['drop']} "
        f"({share:.3%}) are in quarantine.",
        found,
        {
            "rejects": small_table(rejects),
            **written(lake, QUARANTINE, **{"dagster/row_count": row["rows_quarantined"]}),
        },
    )


def _transactions_metadata(lake: Lake, outcome: DropOutcome) -> dict[str, Any]:
    row = outcome.ledger
    share = row["frauds"] / max(row["rows_clean"], 1)
    counts = written(
        lake,
        TRANSACTIONS,
        **{"dagster/row_count": row["rows_clean"]},
        frauds=row["frauds"],
        fraud_share=share,
        first_date=str(row["first_date"]),
        last_date=str(row["last_date"]),
        rewritten_drops=", ".join(outcome.rewritten_drops) or "none",
        **{f"repaired_{r}": row[f"repaired_{r}"] for r in Repair},
    )
    return page(
        f"Drop {outcome.drop} is published: {row['rows_clean']:,} clean transactions, "
        f"{row['frauds']:,} of them frauds ({share:.2%}).",
        {
            "days": f"{row['first_date']} to {row['last_date']}",
            "rows read": row["rows_read"],
            "clean": row["rows_clean"],
            "in quarantine": row["rows_quarantined"],
            "repaired": sum(row[f"repaired_{r}"] for r in Repair),
            "other drops that changed": ", ".join(outcome.rewritten_drops),
            "share of frauds": _fraud_note(lake, row) or "",
        },
        counts,
    )


def _labels_metadata(lake: Lake, row: Mapping[str, Any]) -> dict[str, Any]:
    return page(
        f"Drop {row['drop']} brought {row['rows_clean']:,} labels, {row['frauds']:,} frauds; "
        f"each counts from {LABEL_DELAY_DAYS} days after its transaction.",
        {"labels": row["rows_clean"], "frauds": row["frauds"]},
        written(lake, DROP_LABELS),
    )


def _profile_metadata(lake: Lake, outcome: DropOutcome, spark: SparkResource) -> dict[str, Any]:
    profile = profile_drop(lake.read(spark.spark_session, TRANSACTIONS), outcome.ledger)
    return {"profile": picture(draw_profile(profile), f"Drop {outcome.drop}")}


def _ledger_metadata(lake: Lake, row: Mapping[str, Any]) -> dict[str, Any]:
    figures = written(
        lake,
        CLEANING_LEDGER,
        rows_read=row["rows_read"],
        rows_clean=row["rows_clean"],
        rows_quarantined=row["rows_quarantined"],
        quarantined_share=row["rows_quarantined"] / max(row["rows_read"], 1),
        status=row["status"],
    )
    why = row["held_because"]
    return page(
        f"Drop {row['drop']} is {row['status']}{': ' + why if why else ''}.",
        {
            "rows read": row["rows_read"],
            "clean": row["rows_clean"],
            "in quarantine": row["rows_quarantined"],
        },
        {
            "held_because": why or "not held",
            "needs_you": "; ".join(map(str, held_drops(lake))) or NOTHING,
            **figures,
        },
    )
