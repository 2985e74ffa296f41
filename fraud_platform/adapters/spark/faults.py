"""Translation of Spark's infrastructure errors into one-line errors of the platform.

Here: recognising a lost server, master, worker or driver and a refused token, as opposed to an
error in the computation.
Not here: errors while a session is opened (`adapters.spark.connect`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from fraud_platform.errors import Outage, SettingsError

_AGAIN = "Committed data is safe; the whole run is retried."
_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        r"UNAUTHENTICATED|PERMISSION_DENIED",
        "the Connect server no longer accepts the token (expired or changed)",
        "Put the current token into the file that FRAUD_SPARK_TOKEN_FILE names.",
    ),
    (
        (
            r"UNAVAILABLE|RETRIES_EXCEEDED|failed to connect to all addresses|Connection reset"
            r"|INVALID_HANDLE\.(SESSION|OPERATION)|SESSION_CHANGED|SESSION_CLOSED|SESSION_NOT_FOUND"
        ),
        "the Connect server went away or was restarted",
        f"Start it if it is down (fraud-platform up --spark-server). {_AGAIN}",
    ),
    (
        (
            r"ExecutorLostFailure|Executor heartbeat timed out|executor \d+ exited|worker lost"
            r"|MetadataFetchFailedException|FetchFailedException"
        ),
        "workers were lost more often than Spark retries",
        f"Check their logs and memory (FRAUD_SPARK_EXECUTOR_MEMORY). {_AGAIN}",
    ),
    (
        (
            r"All masters are unresponsive|Master removed our application"
            r"|SparkContext was shut down|stopped SparkContext"
            r"|Application .* (was killed|has been killed)|Yarn application"
        ),
        "the cluster went away",
        f"Check that its master or resource manager runs. {_AGAIN}",
    ),
    (
        r"Py4JNetworkError|Answer from Java side is empty|Connection refused|JAVA_GATEWAY_EXITED",
        "Spark's driver ended",
        f"Check logs/spark.log in FRAUD_HOME and the driver memory (FRAUD_SPARK_MEMORY). {_AGAIN}",
    ),
)


@contextmanager
def reaching_spark() -> Iterator[None]:
    """Translate Spark's infrastructure errors in the block into errors of the platform.

    Raises:
        Outage: a server, a worker or the driver is gone.
        SettingsError: the token is refused.
    """
    try:
        yield
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        raise explained from error


def explain(error: Exception) -> Outage | SettingsError | None:
    """Return the platform's error for an infrastructure error of Spark, or None for any other."""
    kind = type(error)
    if not kind.__module__.startswith(("pyspark", "py4j", "grpc")) and not isinstance(
        error, ConnectionError
    ):
        return None
    words = f"{kind.__name__}: {error}"
    for pattern, found, remedy in _REASONS:
        if match := re.search(pattern, words):
            first = " ".join(words[max(match.start() - 80, 0) :].split())[:200]
            token = found.startswith("the Connect server no longer")
            error_type = SettingsError if token else Outage
            return error_type(f"spark: {found}. {remedy} (Spark reported: .. {first} ..)")
    return None
