"""MLflow's client, set up for this platform, with its errors translated.

Here: environment and logging of the client, what MLflow's errors mean.
Not here: what is kept in MLflow (`adapters.models.registry`), whether a server answers
(`adapters.models.server`).
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_platform.adapters.models.server import Login, require_mlflow
from fraud_platform.adapters.storage.access import S3Access
from fraud_platform.adapters.storage.failures import first_line, is_refusal
from fraud_platform.adapters.storage.probing import require_storage
from fraud_platform.errors import FraudPlatformError, Outage

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # its own patience is minutes; ours says so and goes on
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}
MISSING = "RESOURCE_DOES_NOT_EXIST"


def has_database(url: str) -> bool:
    """Return whether the store may exist: a client makes a missing SQLite file, with empty tables.

    Reading must not make it: an empty registry looks like one without models.
    """
    return not url.startswith(_SQLITE) or Path(url.removeprefix(_SQLITE)).exists()


def is_missing(error: Exception) -> bool:
    """Return whether MLflow says that what it was asked for is not there."""
    return getattr(error, "error_code", None) == MISSING


@contextmanager
def connected(url: str, artifacts_url: str | None, login: Login | None) -> Iterator[MlflowClient]:
    """Give a client of a store; MLflow's and its storage's failures become `Outage`s."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow.exceptions import MlflowException

    warnings.filterwarnings("ignore", message=".*input example was not provided.*")
    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if artifacts_url is not None:
        require_storage(artifacts_url)
        os.environ.setdefault("AWS_DEFAULT_REGION", S3Access.from_variables().region)
    if url.startswith(_SQLITE):
        Path(url.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    if url.startswith(("http://", "https://")):
        require_mlflow(url, login)
    try:
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        yield mlflow.MlflowClient()
    except FraudPlatformError:
        raise
    except Exception as error:
        # of artifacts, which MLflow reads itself, it lets the storage's own errors through
        if not isinstance(error, MlflowException) and not is_refusal(error):
            raise
        raise Outage(
            f"MLflow at {url} failed: {first_line(error)}. "
            "Check that it runs and that its store is writable, then run again."
        ) from error
