"""Asking for a run: once for each content, again only where that can help.

Here: how sensors and schedules remember what they asked for. The memory is the runs themselves
(a tag), so a lost cursor asks for nothing twice.
Not here: what is due (`fraud_platform.clock`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG

from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.settings import load_settings

REQUEST_TAG = "fraud_platform/request"
RUN_KEY_TAG = "dagster/run_key"
"""Where Dagster notes a request's key: a key that has a run is never launched again."""
MAX_ATTEMPTS = 3
SCHEDULE_STATUS = (
    dg.DefaultScheduleStatus.RUNNING
    if load_settings().schedules == "running"
    else dg.DefaultScheduleStatus.STOPPED
)
"""What a schedule is that nobody has switched; a person's switch in the UI goes before it."""


def next_attempt(
    instance: dg.DagsterInstance, request: str, max_attempts: int = MAX_ATTEMPTS
) -> int | None:
    """Return the number of the next attempt at a request, or None if it must not be asked again.

    A request is not repeated while a run of it is under way, after a data error (the same content
    fails the same way), or after `max_attempts`. A finished run whose result is no longer in the
    lake, and one that was killed or met an outage, may be asked again.
    """
    runs = runs_of(instance, request)
    if any(not run.is_finished for run in runs):
        return None
    if any(run.tags.get(FAILURE_TAG) == "data" for run in runs):
        return None
    # by the last run's key, not by their number: a deleted run must not bring back an old key
    last = max([len(runs), *(_attempt_of(run) for run in runs)])
    return last + 1 if last < max_attempts else None


def ask_again(instance: dg.DagsterInstance, request: str) -> None:
    """Let a request be asked again though a run of it met a data error: a person mended that."""
    for run in instance.get_runs(filters=dg.RunsFilter(tags={REQUEST_TAG: request})):
        if run.tags.get(FAILURE_TAG) == "data":
            instance.add_run_tags(run.run_id, {FAILURE_TAG: "mended"})


def _attempt_of(run: dg.DagsterRun) -> int:
    """Return which attempt a run was, 0 where its key does not say."""
    number = run.tags.get(RUN_KEY_TAG, "").rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def request_of(plan: int) -> str:
    """Return the request of a scoring plan's run."""
    return f"plan:{plan}"


def request_tags(request: str) -> dict[str, str]:
    """Return the tags of a requested run: what finds it, and that Dagster need not retry it too."""
    return {REQUEST_TAG: request, MAX_RETRIES_TAG: "0"}


def runs_of(instance: dg.DagsterInstance, request: str) -> Sequence[dg.DagsterRun]:
    """Return the runs that were asked for under a request."""
    return instance.get_runs(filters=dg.RunsFilter(tags={REQUEST_TAG: request}))


def ask(
    instance: dg.DagsterInstance,
    request: str,
    what: str,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest | dg.SkipReason:
    """Return a schedule's request for a run, or why it is not asked for (again).

    Args:
        what: the thing that is asked for, for people.
        tags: others that the run needs.
    """
    attempt = next_attempt(instance, request)
    if attempt is None:
        return dg.SkipReason(f"{what} was asked for: its run goes on, or failed")
    return dg.RunRequest(
        run_key=f"{request}#{attempt}",
        partition_key=partition_key,
        tags={**request_tags(request), **(tags or {})},
    )
