"""What Dagster does with an error: data errors stop, outages are retried.

Here: the one decorator that every asset body wears.
Not here: raising those errors (stages and adapters).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dagster as dg

from fraud_platform.adapters.spark.faults import reaching_spark
from fraud_platform.errors import AccessError, FencedError, FraudPlatformError, Outage

FAILURE_TAG = "fraud_platform/failure"
OUTAGE_RETRIES = 3
FIRST_WAIT_SECONDS = 10.0

Results = dg.MaterializeResult | Iterable[dg.MaterializeResult]


def stop_or_retry(body: Callable[..., Results]) -> Callable[..., Iterator[dg.MaterializeResult]]:
    """Turn the platform's errors into Dagster's: an `Outage` retries with back-off, others stop.

    The run is tagged with the kind of its failure, so that sensors and schedules know whether
    asking again can help.
    """

    @functools.wraps(body)
    def wrapped(context: dg.AssetExecutionContext, **kwargs: Any) -> Any:
        try:
            with reaching_spark():
                results = body(context, **kwargs)
        except Outage as error:
            if context.retry_number >= OUTAGE_RETRIES:
                raise _failure(context, error, "outage") from error
            wait = FIRST_WAIT_SECONDS * 2**context.retry_number
            context.log.warning(f"{error} Trying again in {wait:.0f} s.")
            raise dg.RetryRequested(max_retries=OUTAGE_RETRIES, seconds_to_wait=wait) from error
        except FencedError as error:
            raise _failure(context, error, "fenced") from error
        except AccessError as error:
            raise _failure(context, error, "access") from error
        except FraudPlatformError as error:
            raise _failure(context, error, "data") from error
        yield from [results] if isinstance(results, dg.MaterializeResult) else results

    return wrapped


def _failure(context: dg.AssetExecutionContext, error: Exception, kind: str) -> dg.Failure:
    context.instance.add_run_tags(context.run_id, {FAILURE_TAG: kind})
    return dg.Failure(
        description=f"{type(error).__name__}: {error}",
        metadata={"error": type(error).__name__, "kind": kind},
        allow_retries=False,
    )
