"""Needs: everything that a person must do, for the terminal, the sensor, runs and assets.

Here: held drops, unusable files, failed requests, halted sensors, waiting promotions, gaps in
topics, a champion that differs from the history, a full disk.
Not here: the value and its text (`fraud_platform.reporting.needs`), when a failed request is
repeated (`defs.automation.requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import dagster as dg

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.open_transactions import uncommitted
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.ledger import HELD
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.automation.requests import BATCH, LIVE, SUBJECT_TAG, Problem, problem_of
from fraud_platform.defs.automation.schedules import stale_days, week_requests
from fraud_platform.defs.dagster_internals import InstigatorState, InstigatorStatus, TickStatus
from fraud_platform.defs.failures import first_line
from fraud_platform.errors import DataError, FraudPlatformError
from fraud_platform.ingest.arrivals import drop_names, name_complaints
from fraud_platform.ingest.manifests import read_raw_manifests
from fraud_platform.operations.doctor import check_disk
from fraud_platform.operations.live.session import topic_now
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.decisions import read_history
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.platform_state import PlatformState, read_state
from fraud_platform.promotion.history import waiting_candidate
from fraud_platform.reporting.needs import Need
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.scoring.plans import PlanLog, check_topic
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import DEAD_LABELS, LANDING, SCORED, TOPIC_LABELS

_LOOKED_AT_RUNS, _LOOKED_AT_TICKS = 2_000, 200
_ANSWER_SECONDS = 2.0
_LONG_TRANSACTION_SECONDS = 60.0
_OF_PRODUCER = (
    "Let the producer end its transaction, or abort it: kafka-transactions.sh find-hanging, abort."
)
_ENDED_BADLY = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def collect_needs(settings: Settings, instance: dg.DagsterInstance) -> list[Need]:
    """Return all needs, the most urgent kinds first.

    If a check fails because a system does not answer, that failure is also a need.
    """
    lake = Lake(settings.lake)
    parts: list[tuple[str, Callable[[], Iterator[Need]]]] = [
        ("sensors and schedules", lambda: halted(instance)),
        ("topics", lambda: gaps(settings, lake)),
        ("the champion", lambda: champion_needs(settings, lake)),
        ("requests", lambda: failed_requests(settings, instance, lake)),
        ("drops", lambda: held_drops(lake)),
        ("landing", lambda: landing_needs(settings)),
        ("decisions", lambda: waiting_decisions(lake)),
        ("this machine", lambda: machine_needs(settings)),
    ]
    needs: list[Need] = []
    for name, look in parts:
        try:
            needs += look()
        except FraudPlatformError as error:
            words = first_line(f"could not be checked: {error}")
            needs.append(
                Need(name, None, words, "fraud-platform doctor names the cause.", "machine")
            )
    return needs


def lake_needs(lake: Lake) -> list[Need]:
    """Return the needs from the lake alone; this is cheap enough for every tick of a sensor."""
    return [*held_drops(lake), *waiting_decisions(lake)]


def held_drops(lake: Lake) -> Iterator[Need]:
    """Yield the drops that wait for a person's decision."""
    columns = ["drop", "status", "held_because", "cleaned_at"]
    ledger = lake.read_arrow(CLEANING_LEDGER, None, columns).to_pylist()
    for row in sorted(ledger, key=lambda row: row["drop"]):
        if row["status"] == HELD:
            yield Need(
                f"drop {row['drop']}",
                row["cleaned_at"],
                f"is held: {row['held_because']}",
                f'Release it with fraud-platform accept {row["drop"]} --why "...", or send a '
                "mended file of that name.",
                "held",
            )


def waiting_decisions(lake: Lake) -> Iterator[Need]:
    """Yield the promotion that waits for a person's decision."""
    history = read_history(lake)
    version = waiting_candidate(history)
    if version is not None:
        row = next(row for row in reversed(history) if row.model_version == version)
        yield Need(
            f"promotion of version {version}",
            row.decided_at,
            f"waits for a decision on {row.knowledge_date}: {row.reason}",
            f'fraud-platform approve {row.knowledge_date} --why "...", or decline',
            "waits",
        )


def landing_needs(settings: Settings) -> Iterator[Need]:
    """Yield the files in landing whose names do not allow loading them."""
    for complaint in name_complaints(open_zone(settings.landing).list_files()):
        yield Need(f"file {complaint.name}", None, "is not taken", complaint.message, "landing")


def failed_requests(settings: Settings, instance: dg.DagsterInstance, lake: Lake) -> Iterator[Need]:
    """Yield the failed requests that are still due."""
    badly = dg.RunsFilter(statuses=_ENDED_BADLY)
    subjects = {
        run.tags[SUBJECT_TAG]: None
        for run in instance.get_runs(filters=badly, limit=_LOOKED_AT_RUNS)
        if SUBJECT_TAG in run.tags
    }
    is_wanted = _Wanted(settings, lake)
    for subject in subjects:
        kind, _, about = subject.partition(":")
        what = {"week": f"knowledge date {about}"}.get(kind, f"{kind} {about}".strip())
        pace = LIVE if kind == "plan" else BATCH
        problem = problem_of(instance, subject, what, pace)
        if problem is not None and is_wanted(problem):
            yield problem.as_need()


class _Wanted:
    """Decides whether a failed request is still due; it reads each part of the lake once."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings, self._lake = settings, lake

    def __call__(self, problem: Problem) -> bool:
        """Return whether the subject of a problem is still due."""
        kind, _, about = problem.subject.partition(":")
        if kind == "drop":
            return self._is_drop_wanted(about, problem)
        if kind == "week":
            weeks = week_requests(self._settings, self._lake, self._state)
            return date.fromisoformat(about) in weeks
        if kind == "days":
            return stale_days(self._settings, self._state) is not None
        return kind != "plan" or self._is_plan_open()

    @cached_property
    def _state(self) -> PlatformState:
        return read_state(self._lake, self._settings)

    def _is_drop_wanted(self, drop: str, problem: Problem) -> bool:
        ledger = self._lake.read_arrow(CLEANING_LEDGER, [("drop", "=", drop)]).to_pylist()
        if any(row["cleaned_at"] >= problem.ended_at for row in ledger):
            return False
        landing, raw = open_zone(self._settings.landing), open_zone(self._settings.raw)
        return drop in drop_names(landing) or drop in read_raw_manifests(raw)

    def _is_plan_open(self) -> bool:
        plan = PlanLog(self._lake).last()
        if plan is None:
            return False
        return not plan.is_done(offsets_in(ScoringLog(self._lake).last()))


def halted(instance: dg.DagsterInstance) -> Iterator[Need]:
    """Yield the sensors and schedules whose last tick failed, or that a person switched off."""
    for state in instance.all_instigator_state():
        name = f"{state.instigator_type.value.lower()} {state.origin.instigator_name}"
        if state.status == InstigatorStatus.STOPPED:
            remedy = "Switch it on again in the Dagster UI (Automation)."
            yield Need(name, None, "is switched off: it requests no run", remedy, "halted")
        elif found := _failing_since(instance, state):
            since, error = found
            remedy = "It ticks again by itself; the error names the cause."
            yield Need(name, since, f"halts: {error}", remedy, "halted")


def _failing_since(
    instance: dg.DagsterInstance, state: InstigatorState
) -> tuple[datetime, str] | None:
    """Return since when each tick fails, and the last error; None if the last tick succeeded."""
    ticks = instance.get_ticks(
        state.instigator_origin_id, state.selector_id, limit=_LOOKED_AT_TICKS
    )
    ended = [tick for tick in ticks if tick.status != TickStatus.STARTED]
    if not ended or ended[0].status != TickStatus.FAILURE:
        return None
    failing = ended
    for number, tick in enumerate(ended):
        if tick.status != TickStatus.FAILURE:
            failing = ended[:number]
            break
    error = ended[0].error
    while error is not None and error.cause is not None:
        error = error.cause
    words = first_line(error.message) if error is not None else "no error was kept"
    return datetime.fromtimestamp(failing[-1].timestamp, tz=UTC), words


def gaps(settings: Settings, lake: Lake) -> Iterator[Need]:
    """Yield the topics on which scoring or landing cannot continue where it stopped."""
    read: list[tuple[str, Callable[[], dict[str, Any]], str]] = []
    if lake.open(SCORED) is not None:
        read.append((settings.transactions_topic, ScoringLog(lake).last, ""))
    if lake.open(TOPIC_LABELS) is not None:
        landed = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING).results.metadata
        read.append((settings.labels_topic, landed, " --labels"))
    if not read:
        return
    connection = KafkaConnection.from_settings(settings)
    with closing(Topics(connection, answer_seconds=_ANSWER_SECONDS)) as topics:
        if not topics.is_ready(_ANSWER_SECONDS):
            return  # the line of the service reports that Kafka does not run
        for topic, last, option in read:
            last_commit = last()
            try:
                check_topic(
                    topic_now(topics, topic), last_commit.get("topic_id"), offsets_in(last_commit)
                )
            except DataError as error:
                remedy = f'fraud-platform accept-gap{option} --why "..." continues after it.'
                yield Need(f"topic {topic}", None, first_line(str(error)), remedy, "gap")
            waits = uncommitted(connection, topics, topic)
            if waits is not None and waits.seconds > _LONG_TRANSACTION_SECONDS:
                yield Need(f"topic {topic}", waits.since, str(waits), _OF_PRODUCER, "waits")


def champion_needs(settings: Settings, lake: Lake) -> Iterator[Need]:
    """Yield a champion in the registry that differs from the history's."""
    if not read_history(lake):
        return
    champion = find_champion(lake, registry_of(settings))
    if not champion.is_fine:
        expected, _, remedy = champion.words.partition(". ")
        yield Need("champion", None, expected, remedy, "waits")


def machine_needs(settings: Settings) -> Iterator[Need]:
    """Yield resources of the machine that are nearly exhausted, if quick to check."""
    disk = check_disk(settings)
    if disk.level != "ok":
        expected, _, remedy = disk.message.partition(". ")
        yield Need(disk.subject, None, expected, remedy, "machine")
