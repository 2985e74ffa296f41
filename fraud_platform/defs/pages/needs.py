"""Needs: everything that a person must do, for the terminal, the sensor, runs and assets.

Here: all needs in one list; failed requests and halted sensors, which Dagster knows.
Not here: needs that the platform's systems show (`fraud_platform.operations.needs`), the value and
its text (`fraud_platform.reporting.needs`), when a failed request is repeated
(`defs.automation.requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cached_property

import dagster as dg

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.automation.requests import BATCH, LIVE, SUBJECT_TAG, Problem, problem_of
from fraud_platform.defs.automation.schedules import stale_days, week_requests
from fraud_platform.defs.dagster_internals import InstigatorState, InstigatorStatus, TickStatus
from fraud_platform.errors import FraudPlatformError, first_line
from fraud_platform.ingest.arrivals import drop_names
from fraud_platform.ingest.manifests import read_raw_manifests
from fraud_platform.operations.needs import (
    champion_needs,
    gaps,
    held_drops,
    landing_needs,
    machine_needs,
    waiting_decisions,
)
from fraud_platform.operations.platform_state import PlatformState, read_state
from fraud_platform.reporting.needs import Need
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.plans import PlanLog
from fraud_platform.settings import Settings

_LOOKED_AT_RUNS, _LOOKED_AT_TICKS = 2_000, 200
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
