"""Error handling in Dagster: data errors stop a run, outages are retried.

Here: the decorator of every asset body.
Not here: raising those errors (stages and adapters).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from fraud_platform.adapters.services.cleanup import in_scratch_folder
from fraud_platform.adapters.spark.faults import reaching_spark
from fraud_platform.adapters.storage.failures import reaching_disks
from fraud_platform.errors import (
    AccessError,
    FencedError,
    FraudPlatformError,
    Outage,
    SettingsError,
    first_line,
)

FAILURE_TAG = "fraud_platform/failure"
ERROR_TAG = "fraud_platform/error"
"""Tag with the first line of the error that ended a run; it outlives the run's log."""
OUTAGE_RETRIES = 3
FIRST_WAIT_SECONDS = 10.0

Results = dg.MaterializeResult[None] | Iterable[dg.MaterializeResult[None]]


def stop_or_retry(
    body: Callable[..., Results],
) -> Callable[..., Iterator[dg.MaterializeResult[None]]]:
    """Turn the platform's errors into Dagster's: an `Outage` retries with back-off, others stop.

    The run is tagged with the kind of its failure, so that sensors and schedules know whether a
    repetition can help.

    Raises:
        TypeError: the body does not take the resource `settings`, which names the scratch folder.
    """
    if "settings" not in inspect.signature(body).parameters:
        raise TypeError(
            f"{body.__name__}: expected a parameter `settings: SettingsResource`, found none. "
            "Add it: the scratch folder of a run is below FRAUD_HOME."
        )

    @functools.wraps(body)
    def wrapped(context: dg.AssetExecutionContext, **kwargs: Any) -> Any:
        try:
            home = kwargs["settings"].home
            with reaching_spark(), reaching_disks(), in_scratch_folder(home):
                results = body(context, **kwargs)
                # lazily produced results are part of the body
                yield from [results] if isinstance(results, dg.MaterializeResult) else results
        except Outage as error:
            if context.retry_number >= OUTAGE_RETRIES:
                raise _failure(context, error) from error
            wait = FIRST_WAIT_SECONDS * 2**context.retry_number
            context.log.warning(f"{error} Trying again in {wait:.0f} s.")
            raise dg.RetryRequested(max_retries=OUTAGE_RETRIES, seconds_to_wait=wait) from error
        except FraudPlatformError as error:
            raise _failure(context, error) from error
        except Exception as error:
            note_failure(context.instance, context.run.run_id, error)
            raise

    return wrapped


def kind_of(error: Exception) -> str:
    """Return the kind of a failure, which decides when the request is repeated."""
    if isinstance(error, Outage):
        return "outage"
    if isinstance(error, FencedError):
        return "fenced"
    if isinstance(error, (AccessError, SettingsError)):
        return "access"
    return "data" if isinstance(error, FraudPlatformError) else "error"


def note_failure(instance: dg.DagsterInstance, run_id: str, error: Exception) -> str:
    """Tag a run with the kind of its failure and its error's first line; return the kind."""
    kind, words = kind_of(error), first_line(f"{type(error).__name__}: {error}")
    instance.add_run_tags(run_id, {FAILURE_TAG: kind, ERROR_TAG: words})
    return kind


@contextmanager
def noting_failures(context: dg.OpExecutionContext) -> Iterator[None]:
    """Tag the run of a plain op, as `stop_or_retry` does for assets, and re-raise the error."""
    try:
        yield
    except Exception as error:
        note_failure(context.instance, context.run.run_id, error)
        raise


def _failure(context: dg.AssetExecutionContext, error: FraudPlatformError) -> dg.Failure:
    kind = note_failure(context.instance, context.run.run_id, error)
    return dg.Failure(
        description=f"{type(error).__name__}: {error}",
        metadata={"error": type(error).__name__, "kind": kind},
        allow_retries=False,
    )
