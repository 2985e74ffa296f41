"""An external MLflow server: checking that it answers, and the login for its proxy.

Here: one probe that ends within seconds, because MLflow's client retries for minutes; user name
and password for the proxy, passed only by environment variables.
Not here: what is stored in MLflow (`adapters.models.registry`), running a server
(`operations.services.server`).
"""

from __future__ import annotations

import http
import os
from dataclasses import dataclass

from pydantic import SecretStr

from fraud_platform.errors import Outage, SettingsError
from fraud_platform.settings import Settings

ANSWER_SECONDS = 5.0
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


@dataclass(frozen=True)
class Login:
    """User name and password for the proxy in front of an MLflow server."""

    user: str
    password: SecretStr


def login_of(settings: Settings) -> Login | None:
    """Return the login from the settings, or None if no user name is set."""
    if settings.mlflow_username is None:
        return None
    return Login(settings.mlflow_username, settings.mlflow_password or SecretStr(""))


def require_mlflow(url: str, login: Login | None) -> None:
    """Check that an MLflow server answers and accepts the login, which MLflow's client then uses.

    Raises:
        Outage: there is no answer, or its status is not 200.
        SettingsError: the user name or password is refused.
    """
    import requests

    auth = None
    if login is not None:
        auth = (login.user, login.password.get_secret_value())
        os.environ[_USER], os.environ[_PASSWORD] = auth
    begin = f"MLflow at {url} (FRAUD_MLFLOW_URL): expected an answer, found"
    try:
        status = requests.get(
            f"{url.rstrip('/')}/health", auth=auth, timeout=ANSWER_SECONDS
        ).status_code
    except requests.Timeout:
        raise Outage(
            f"{begin} none within {ANSWER_SECONDS:.0f} s. Restart the MLflow server, or fix "
            "FRAUD_MLFLOW_URL; then run again."
        ) from None
    except requests.RequestException as error:
        raise Outage(
            f"{begin} {_reason(error)}. Start the MLflow server, or fix FRAUD_MLFLOW_URL; then "
            "run again."
        ) from None
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        raise SettingsError(
            f"{begin} a refusal ({status}). Fix FRAUD_MLFLOW_USERNAME and FRAUD_MLFLOW_PASSWORD "
            "(or the file that FRAUD_MLFLOW_PASSWORD_FILE names)."
        )
    if status != http.HTTPStatus.OK:
        raise Outage(
            f"{begin} status {status}. Check the logs of the MLflow server and of the proxy in "
            "front of it; then run again."
        )


def _reason(error: Exception) -> str:
    """Return the message of a failed request's innermost error."""
    reason: object = error
    while isinstance(reason, Exception) and (reason.args or reason.__cause__):
        inner = getattr(reason, "reason", None) or (reason.args[0] if reason.args else None)
        if not isinstance(inner, Exception):
            break
        reason = inner
    words = " ".join(str(reason).split())
    return "a refused connection" if "refused" in words else words
