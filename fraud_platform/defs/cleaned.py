"""The cleaned group: transactions, quarantine, labels and the ledger, one drop at a time.

Here: one multi-asset, since the four tables are written in one order by one run.
Not here: the rules of cleaning (`fraud_platform.cleaning`), the profile's numbers
(`fraud_platform.reporting`).
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from fraud_platform.adapters.lake import Lake
from fraud_platform.adapters.storage import open_zone
from fraud_platform.cleaning import DropOutcome, publish_drop
from fraud_platform.contracts.reasons import REASON_DESCRIPTIONS, Reason, Repair
from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
)
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.partitions import DROPS
from fraud_platform.defs.resources import LakeResource, SparkResource, ZonesResource
from fraud_platform.defs.state import write_drop_days
from fraud_platform.defs.tables import picture, small_table, table_spec, written
from fraud_platform.ingest import raw_drop
from fraud_platform.settings import load_settings

_RAW = "raw_drops"
_FROM_RAW = {
    "transaction_id": [(_RAW, "transaction_id")],
    "tx_datetime": [(_RAW, "tx_datetime")],
    "tx_date": [(_RAW, "tx_datetime")],
    "customer_id": [(_RAW, "customer_id")],
    "terminal_id": [(_RAW, "terminal_id")],
    "amount_cents": [(_RAW, "tx_amount")],
    "is_fraud": [(_RAW, "tx_fraud")],
    "fraud_scenario": [(_RAW, "tx_fraud_scenario")],
}
_LABEL_LINEAGE = {
    name: [("transactions", name)] for name in ("transaction_id", "is_fraud", "fraud_scenario")
} | {name: [("transactions", "tx_datetime")] for name in ("known_at", "counts_from")}
_KINDS = {"spark", "deltalake"}


class CleaningConfig(dg.Config):
    """A person's word on a held drop."""

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
) -> Iterable[dg.MaterializeResult]:
    """Clean one drop and publish it, or hold it."""
    raw = raw_drop(open_zone(zones.raw_url), context.partition_key)
    tables = lake.open()
    outcome = publish_drop(
        spark.spark_session,
        tables,
        raw.url,
        raw.drop,
        content_sha256=raw.sha256,
        size_bytes=raw.size_bytes,
        run_id=context.run_id,
        max_quarantined_share=load_settings().max_quarantined_share,
        accepted_because=config.accepted_because,
    )
    write_drop_days(spark.spark_session, tables)
    return _results(tables, outcome, spark)
