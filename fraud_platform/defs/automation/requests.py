"""Requesting runs: once for each content, repeated if that can help, with the reason for a wait.

Here: how sensors and schedules remember their requests. The memory is the tags of the runs, so a
lost cursor repeats no request. The last run of a subject has everything that is remembered, and
`defs.automation.retention` keeps it.
Not here: what is due (`fraud_platform.calendar.due`), showing what waits (`defs.pages.needs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from fraud_platform.adapters.spark.code import code_digest
from fraud_platform.contracts.time import SECONDS_PER_HOUR
from fraud_platform.defs.dagster_internals import MAX_RETRIES_TAG
from fraud_platform.defs.deployment import DEPLOYMENT
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG
from fraud_platform.errors import first_line
from fraud_platform.reporting.needs import Need

REQUEST_TAG = "fraud_platform/request"
SUBJECT_TAG = "fraud_platform/subject"
"""The subject of a request without its content: one drop, one week, the days, the plan."""
ATTEMPT_TAG = "fraud_platform/attempt"
FAILED_BEFORE_TAG = "fraud_platform/failed_before"
"""The number of runs of the request that failed in a row before this one."""
SINCE_TAG = "fraud_platform/failing_since"
CODE_TAG = "fraud_platform/code"
MENDED = "mended"
"""The failed run whose cause a person reported as fixed."""
RUN_KEY_TAG = "dagster/run_key"
"""The tag with a request's key: Dagster never launches a second run with the same key."""

FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in FINISHED]
SCHEDULE_STATUS = (
    dg.DefaultScheduleStatus.RUNNING
    if DEPLOYMENT.schedules == "running"
    else dg.DefaultScheduleStatus.STOPPED
)
"""The default status of a schedule; a switch in the UI takes precedence."""


@dataclass(frozen=True)
class Pace:
    """How soon a request is repeated; each wait is twice the previous one.

    Attributes:
        first_seconds: the wait after the first failure.
        most_seconds: the longest wait.
        free_tries: so many killed, canceled or fenced runs are repeated without a wait.
        access_factor: factor for the wait if a system refused access.
    """

    first_seconds: float
    most_seconds: float
    free_tries: int
    access_factor: float = 5.0

    def wait_seconds(self, kind: str, failures: int) -> float:
        """Return the wait after consecutive failures, by the kind of the last one."""
        if kind in _PASSING:
            failures -= self.free_tries
            if failures <= 0:
                return 0.0
        first = self.first_seconds * (self.access_factor if kind == "access" else 1.0)
        return min(self.most_seconds, first * 2.0 ** min(failures - 1, 30))


_DAILY_WINDOW = timedelta(hours=1)
BATCH = Pace(60.0, float(SECONDS_PER_HOUR), 3)
LIVE = Pace(5.0, 300.0, 20)
"""The pace of scoring plans: scores must not wait, and a killed run has lost nothing."""

_MOST_WAITED_FOR = 5
_PASSING = ("killed", "canceled", "without effect", "fenced")
"""Failures after which some repetitions may follow at once."""
_WORDS = {
    "killed": "its process was killed, without an error of its own",
    "canceled": "it was canceled",
    "without effect": "it succeeded, but the lake does not have the requested data",
}


@dataclass(frozen=True)
class Problem:
    """The problem of a request that failed.

    Attributes:
        subject: the subject of the request, as in `fraud-platform retry`.
        kind: "outage", "access", "data", "killed" or another.
        failures: number of runs that failed in a row.
        error: the first line of the last error.
        retry_at: when it is repeated; None if only a change of its cause leads to that.
        ended_at: when the last run ended.
        under_way: the run that repeats it now, if there is one.
    """

    subject: str
    what: str
    kind: str
    failures: int
    since: datetime
    run_id: str
    error: str
    retry_at: datetime | None
    ended_at: datetime
    under_way: str | None = None

    @property
    def lets_others_pass(self) -> bool:
        """Whether later requests need not wait for it, because it may never be repeated."""
        is_away = self.kind in ("outage", "access", "fenced")
        return self.retry_at is None or (not is_away and self.failures > _MOST_WAITED_FOR)

    def as_need(self) -> Need:
        """Return it as a need, for people."""
        times = "once" if self.failures == 1 else f"{self.failures} times"
        why = f"failed {times}, last in run {self.run_id[:8]}: {self.error}"
        return Need(self.what, self.since, why, self._remedy(), "failed")

    def _remedy(self) -> str:
        now = f"fraud-platform retry {self.subject}"
        if self.under_way is not None:
            return f"Run {self.under_way[:8]} tries it again now."
        if self.retry_at is None:
            return (
                "It is tried again if its content or the code changes. If something else was "
                f"fixed: {now}"
            )
        if self.retry_at <= _now():
            return "It is tried again now."
        return f"It is tried again at {self.retry_at:%Y-%m-%d %H:%M:%S} UTC; at once: {now}"


@dataclass(frozen=True)
class Turn:
    """Whether a run may be requested now.

    Attributes:
        attempt: the number of the attempt; None if it may not be requested.
        tags: tags that the requested run must have.
        under_way: the active run of this request or of its subject.
        problem: the problem of the request; kept while it is repeated.
    """

    attempt: int | None
    tags: Mapping[str, str]
    under_way: str | None = None
    problem: Problem | None = None

    @property
    def reason(self) -> str:
        """Why it is not requested now."""
        if self.problem is not None:
            return str(self.problem.as_need())
        return f"run {self.under_way[:8]} is under way" if self.under_way else ""


def turn_of(
    instance: dg.DagsterInstance,
    request: str,
    what: str,
    pace: Pace = BATCH,
    busy: str | None = None,
) -> Turn:
    """Return whether a run may be requested now, and the problem of the request.

    A request is not repeated while a run of its subject is active. After an outage, a kill or an
    unknown error it is repeated without end, with waits that double up to a bound. After a data
    error it is repeated once its content (which is part of the request) or the code changes, or a
    person asks for it (`ask_again`).

    Args:
        what: the requested thing, for people.
        busy: an active run that does the same but was not requested here.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: request}))
    running = busy or _under_way(instance, request)
    ended = [record for record in records if record.dagster_run.is_finished]
    attempt = 1 + max([len(records), *(_attempt_of(r.dagster_run) for r in records)])
    if not ended:
        return Turn(None if running else attempt, _tags(request, attempt), running)
    problem = _problem(instance, request, what, ended[0], pace, running)
    if problem is None:  # a person fixed the cause
        return Turn(None if running else attempt, _tags(request, attempt), running)
    is_due = problem.retry_at is not None and problem.retry_at <= _now()
    return Turn(
        attempt if is_due and running is None else None,
        _tags(request, attempt, problem),
        running,
        problem,
    )


def problem_of(
    instance: dg.DagsterInstance, subject: str, what: str, pace: Pace = BATCH
) -> Problem | None:
    """Return the problem of a subject according to its last requested run."""
    records = instance.get_run_records(dg.RunsFilter(tags={SUBJECT_TAG: subject}), limit=10)
    running = [r.dagster_run.run_id for r in records if not r.dagster_run.is_finished]
    ended = next((r for r in records if r.dagster_run.is_finished), None)
    if ended is None or ended.dagster_run.is_success:
        return None
    request = ended.dagster_run.tags[REQUEST_TAG]
    return _problem(instance, request, what, ended, pace, running[0] if running else None)


def _problem(
    instance: dg.DagsterInstance,
    request: str,
    what: str,
    record: dg.RunRecord,
    pace: Pace,
    running: str | None,
) -> Problem | None:
    """Return the problem of a request's last finished run; None if a person fixed its cause."""
    run = record.dagster_run
    kind = run.tags.get(FAILURE_TAG, "")
    if kind == MENDED:
        return None
    if run.is_success:
        kind = "without effect"
    elif not kind:
        kind = "canceled" if run.status == dg.DagsterRunStatus.CANCELED else "killed"
    error = run.tags.get(ERROR_TAG) or _WORDS.get(kind) or kind
    if kind == "killed" and (logged := _error_in_log(instance, run.run_id)):
        kind, error = "error", logged
    ended_at = datetime.fromtimestamp(
        record.end_time or record.update_timestamp.timestamp(), tz=UTC
    )
    failures = 1 + int(run.tags.get(FAILED_BEFORE_TAG, 0))
    since = run.tags.get(SINCE_TAG)
    retry_at: datetime | None = ended_at + timedelta(seconds=pace.wait_seconds(kind, failures))
    if kind == "data":
        retry_at = None if run.tags.get(CODE_TAG) in (None, code_digest()) else ended_at
    return Problem(
        subject_of(request),
        what,
        kind,
        failures,
        datetime.fromisoformat(since) if since else ended_at,
        run.run_id,
        error,
        retry_at,
        ended_at,
        running,
    )


def _error_in_log(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the first line of the error in a run's log; empty if it has none."""
    failed = dg.DagsterEventType.STEP_FAILURE
    for record in instance.get_records_for_run(run_id, of_type=failed, limit=1).records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.step_failure_data.error is not None:
            root = event.step_failure_data.error
            while root.cause is not None:
                root = root.cause
            return first_line(f"{root.cls_name}: {root.message.partition(': ')[2] or root.message}")
    return ""


def _under_way(instance: dg.DagsterInstance, request: str) -> str | None:
    """Return an unfinished run of the request's subject."""
    for tags in ({SUBJECT_TAG: subject_of(request)}, {REQUEST_TAG: request}):
        found = instance.get_run_ids(dg.RunsFilter(tags=tags, statuses=UNDER_WAY), limit=1)
        if found:
            return found[0]
    return None


def ask_again(instance: dg.DagsterInstance, subject: str) -> int:
    """Let the failed requests of a subject be repeated at once, because a person fixed the cause.

    Returns:
        The number of such requests.
    """
    last: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(filters=dg.RunsFilter(tags={SUBJECT_TAG: subject})):
        last.setdefault(run.tags.get(REQUEST_TAG, ""), run)
    failed = [run for run in last.values() if run.is_finished and not run.is_success]
    for run in failed:
        instance.add_run_tags(run.run_id, {FAILURE_TAG: MENDED})
    return len(failed)


def _attempt_of(run: dg.DagsterRun) -> int:
    """Return the attempt number of a run; 0 if neither its tags nor its key have it."""
    numbers = (run.tags.get(ATTEMPT_TAG, ""), run.tags.get(RUN_KEY_TAG, "").rpartition("#")[2])
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def subject_of(request: str) -> str:
    """Return the subject of a request: all of it except the content, which is the last part."""
    return request.rpartition(":")[0] or request


def request_of(plan: int) -> str:
    """Return the request of a scoring plan's run."""
    return f"plan:{plan}"


def ask_plan_again(instance: dg.DagsterInstance, plan: int) -> int:
    """Ask again at once for the run of a scoring plan that failed; see `ask_again`."""
    return ask_again(instance, subject_of(request_of(plan)))


def _now() -> datetime:
    return datetime.now(UTC)


def _tags(request: str, attempt: int, problem: Problem | None = None) -> dict[str, str]:
    """Return the tags of a requested run, for finding it and for the next attempt."""
    before = {} if problem is None else {
        FAILED_BEFORE_TAG: str(problem.failures), SINCE_TAG: problem.since.isoformat(),
    }  # fmt: skip
    return {
        REQUEST_TAG: request,
        SUBJECT_TAG: subject_of(request),
        ATTEMPT_TAG: str(attempt),
        CODE_TAG: code_digest(),
        # Dagster must not retry it too
        MAX_RETRIES_TAG: "0",
        **before,
    }


def runs_of(instance: dg.DagsterInstance, request: str) -> Sequence[dg.DagsterRun]:
    """Return the runs of a request."""
    return instance.get_runs(filters=dg.RunsFilter(tags={REQUEST_TAG: request}))


def run_request(
    turn: Turn,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, object] | None = None,
) -> dg.RunRequest:
    """Return the run request of a turn that has an attempt."""
    return dg.RunRequest(
        run_key=f"{turn.tags[REQUEST_TAG]}#{turn.attempt}",
        partition_key=partition_key,
        run_config=dict(run_config or {}),
        tags={**turn.tags, **(tags or {})},
    )


def ask(
    instance: dg.DagsterInstance,
    request: str,
    what: str,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    busy: str | None = None,
) -> dg.RunRequest | dg.SkipReason:
    """Return a schedule's request for a run, or why no run is requested.

    Args:
        what: the requested thing, for people.
        tags: other tags that the run needs.
        busy: as in `turn_of`.
    """
    turn = turn_of(instance, request, what, busy=busy)
    if turn.attempt is None:
        return dg.SkipReason(
            turn.reason if turn.problem else f"{what} was asked for: {turn.reason}"
        )
    return run_request(turn, partition_key, tags)


def ask_daily(
    instance: dg.DagsterInstance, subject: str, hour: int, minute: int
) -> dg.RunRequest | dg.SkipReason:
    """Return the request for a daily task (UTC), until it has succeeded on that day.

    A platform that was off at that time waits for the next day.
    """
    now = _now()
    due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    due -= timedelta(days=1) if due > now else timedelta()
    request = f"{subject}:{due:%Y-%m-%d}"
    runs = runs_of(instance, request)
    if any(run.is_success for run in runs):
        return dg.SkipReason(f"{subject} of {due:%Y-%m-%d} is done")
    if not runs and now - due > _DAILY_WINDOW:
        return dg.SkipReason(f"{subject} is asked for at {hour:02}:{minute:02} UTC")
    return ask(instance, request, subject)
