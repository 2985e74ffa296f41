"""Postgres: checking that a database can be used, and building its URL with the password.

Here: one check that takes seconds, with its errors translated to one line with the remedy.
Not here: the tables, which Dagster and MLflow create themselves.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from fraud_platform.errors import Outage, SettingsError

CONNECT_SECONDS = 5
"""Time limit in seconds for connecting and for a query, also if the server does not respond."""

_REFUSALS = {
    "password authentication failed": "a wrong user or password. Fix {name}_URL or "
    "{name}_PASSWORD (or the file that {name}_PASSWORD_FILE names)",
    "no password supplied": "no password. Set {name}_PASSWORD, or {name}_PASSWORD_FILE",
    "does not exist": "no such user or database. Create it (docs/server.md), or fix {name}_URL",
    "no pg_hba.conf entry": "a user or address that the server does not admit. Fix its "
    "pg_hba.conf, or {name}_URL",
    "certificate": "a certificate that is not trusted. Fix sslrootcert in {name}_URL",
    "permission denied": "no privilege on the database. Grant it to the user (docs/server.md)",
}


def url_with_password(url: str, password: SecretStr | None) -> str:
    """Return a database's SQLAlchemy URL with password and connect timeout; never log it."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if password is not None:
        user = f"{user}:{quote(password.get_secret_value(), safe='')}"
    query = parts.query
    if "connect_timeout=" not in query:
        query = f"{query}&connect_timeout={CONNECT_SECONDS}".lstrip("&")
    return urlunsplit(
        parts._replace(scheme="postgresql+psycopg2", netloc=f"{user}@{host}", query=query)
    )


def require_postgres(name: str, url: str, password: SecretStr | None) -> None:
    """Check that a database accepts the login and answers a query.

    Args:
        name: prefix of its settings for the error, for example `FRAUD_DAGSTER_STORAGE`.
        url: URL of the database, without the password.
        password: the user's password.

    Raises:
        Outage: it does not answer.
        SettingsError: it refuses the user, the password or the database.
    """
    import psycopg2

    complete = url_with_password(url, password).replace("+psycopg2", "", 1)
    try:
        connection = psycopg2.connect(complete)
    except psycopg2.OperationalError as error:
        raise _translated(name, url, str(error)) from None
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {CONNECT_SECONDS * 1000}")
            cursor.execute("SELECT 1")
    except psycopg2.Error as error:
        raise _translated(name, url, str(error)) from None
    finally:
        connection.close()


def _translated(name: str, url: str, message: str) -> Outage | SettingsError:
    """Return the platform's error for a message of Postgres, which contains no password."""
    begin = f"Postgres at {url} ({name}_URL): expected it to accept the login, found"
    for part, meaning in _REFUSALS.items():
        if part in message:
            return SettingsError(f"{begin} {meaning.format(name=name)}.")
    words = " ".join(message.split()).rstrip("?. ") or "no message"
    return Outage(f"{begin} no answer: {words}. Start it, or fix {name}_URL; then run again.")
