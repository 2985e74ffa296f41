"""The raw zone: drops exactly as they arrived.

Here: the asset `raw_drops` and the sensor that finds new drops.
Not here: recognizing and copying drops (`fraud_platform.ingest`).
"""

import time
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.contracts.zones import Zone
from fraud_platform.defs.automation.at_work import DROP_ASSETS, partitions_of, runs_at_work
from fraud_platform.defs.automation.requests import Turn, run_request, turn_of
from fraud_platform.defs.automation.schedules import load_drop
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import COLUMNS as SCHEMA
from fraud_platform.defs.pages.tables import OWNERS, rounded
from fraud_platform.defs.partitions import DROPS
from fraud_platform.defs.resources import LakeResource, ZonesResource
from fraud_platform.ingest import RawDrop, copy_drop, observe_landing, raw_drop
from fraud_platform.ingest.arrivals import drop_names, only_name
from fraud_platform.ingest.loading import Meter
from fraud_platform.ingest.manifests import read_raw_manifests
from fraud_platform.operations.needs import lake_needs
from fraud_platform.reporting.needs import needs_in_a_line

RAW_COLUMNS = SOURCE.drops.names or SOURCE.columns
_MOST_SAID = 20
"""The most sentences that a tick reports; landing may hold any number of wrong files."""


@dg.asset(
    partitions_def=DROPS,
    group_name="raw",
    kinds={"file"},
    owners=OWNERS,
    pool="raw_drops",
    description="A drop exactly as it arrived, copied byte for byte and verified.",
    metadata={
        SCHEMA: dg.TableSchema(
            [dg.TableColumn(name, "text", description="As the row has it.") for name in RAW_COLUMNS]
        )
    },
)
@stop_or_retry
def raw_drops(
    context: dg.AssetExecutionContext,
    zones: ZonesResource,
    settings: SettingsResource,  # noqa: ARG001 - `stop_or_retry` reads it
) -> dg.MaterializeResult[None]:
    """Copy one drop from landing to the raw zone."""
    landing, raw = zones.open(zones.landing_url), zones.open(zones.raw_url)
    name = _name_in_landing(landing, context.partition_key)
    copied = _copied(context, landing, raw, name)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(copied.sha256),
        metadata=_metadata(context.partition_key, copied),
    )


def _metadata(drop: str, copied: RawDrop) -> dict[str, Any]:
    megabytes = copied.size_bytes / 1e6
    what = "was there already" if copied.was_held else "was copied byte for byte and verified"
    return page(
        f"Drop {drop} {what}: {megabytes:,.1f} MB.",
        {"file": copied.url.rpartition("/")[2], "MB": megabytes, "seconds": copied.seconds},
        {
            "dagster/uri": copied.url,
            "size_bytes": copied.size_bytes,
            "sha256": copied.sha256,
            "seconds": rounded(copied.seconds),
            "megabytes_per_second": rounded(megabytes / max(copied.seconds, 1e-9)),
            "resumed_from_bytes": copied.resumed_from or 0,
            "was_held": copied.was_held,
        },
    )


def _copied(
    context: dg.AssetExecutionContext, landing: Zone, raw: Zone, name: str | None
) -> RawDrop:
    """Copy the drop and log the progress; a drop that is no longer in landing was copied before."""
    found = landing.stat(name) if name else None
    if name is None or found is None:
        return raw_drop(raw, context.partition_key)
    meter = Meter(found.size_bytes, context.log.info, every_seconds=10.0)
    return copy_drop(landing, raw, name, meter.of(name))


@dg.sensor(
    job=load_drop,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Finds drops that are complete, new or replaced, and requests a run for each.",
)
def new_drops(
    context: dg.SensorEvaluationContext,
    zones: ZonesResource,
    lake: LakeResource,
    settings: SettingsResource,
) -> dg.SensorResult:
    """Scan landing and request the drops that are not yet in the raw zone, or not yet cleaned."""
    landing, raw = zones.open(zones.landing_url), zones.open(zones.raw_url)
    settle_seconds = settings.drop_settle_seconds
    look = observe_landing(landing, raw, context.cursor, time.time(), settle_seconds)
    wanted = {arrival.drop: arrival.fingerprint for arrival in look.arrivals}
    turns = drop_turns(context.instance, _uncleaned(raw, lake.open()) | wanted)
    requests = [run_request(turn, drop) for drop, turn in turns.items() if turn.attempt is not None]
    problems = [str(turn.problem.as_need()) for turn in turns.values() if turn.problem]
    problems += [complaint.message for complaint in look.complaints]
    if requests and problems:
        # A tick that requests runs has no skip reason that could name the problems. Other ticks log
        # nothing, because each log is a file, and a problem may last for many ticks.
        context.log.warning(_listed(problems))
    words = [*problems]
    words += [needs_in_a_line(held)] if (held := lake_needs(lake.open())) else []
    words += [f"{n} is settling" for n in look.waiting]
    partitions = [r.partition_key for r in requests if r.partition_key]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(_listed(words) or "no new drop"),
        cursor=look.cursor,
        dynamic_partitions_requests=[DROPS.build_add_request(partitions)],
    )


def _listed(words: list[str]) -> str:
    """Return the first sentences, and the number of the others."""
    more = len(words) - _MOST_SAID
    return "; ".join(words[:_MOST_SAID] + [f"and {more:,} more"] * (more > 0))


def drop_turns(instance: dg.DagsterInstance, wanted: Mapping[str, str]) -> dict[str, Turn]:
    """Return, in the order of drops, the turn of each wanted content.

    Args:
        wanted: the fingerprint of each drop's content.
    """
    runs = [record.dagster_run for record in runs_at_work(instance, "load_drop", DROP_ASSETS)]
    at_work = {partitions_of(run): run.run_id for run in runs}
    return {
        drop: turn_of(
            instance, f"drop:{drop}:{fingerprint}", f"drop {drop}", busy=at_work.get(drop)
        )
        for drop, fingerprint in sorted(wanted.items())
    }


def _uncleaned(raw: Zone, lake: Lake) -> dict[str, str]:
    """Return raw drops that are not cleaned or not counted, with fingerprints."""
    ledger = lake.read_arrow(CLEANING_LEDGER).to_pylist()
    cleaned = {row["drop"]: row["content_sha256"] for row in ledger}
    # drops rewritten with another drop share its publication: one run counts them all
    uncounted = {}
    for row in sorted(ledger, key=itemgetter("drop"), reverse=True):
        if row["published_sha256"] and row["rows_clean"]:
            uncounted[row["publication"]] = row["drop"]
    for row in lake.read_arrow(DROP_DAYS, columns=["publication"]).to_pylist():
        uncounted.pop(row["publication"], None)
    return {
        drop: manifest.source_fingerprint
        for drop, manifest in read_raw_manifests(raw).items()
        if cleaned.get(drop) != manifest.sha256 or drop in uncounted.values()
    }


def _name_in_landing(landing: Zone, drop: str) -> str | None:
    """Return the drop's file name in landing, or None if the sender removed it."""
    names = drop_names(landing).get(drop)
    return only_name(drop, names) if names else None
