"""Postgres: looking whether a database can be used, and its URL with the password in it.

Here: what a database says, told as one line with its remedy, within seconds.
Not here: what Dagster and MLflow keep in it (they make their own tables).
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from fraud_platform.errors import Outage, SettingsError

CONNECT_SECONDS = 5
"""Patience with a server that accepts a connection and says nothing."""

_REFUSALS = {
    "password authentication failed": "a wrong user or password. Mend {name}_URL or "
    "{name}_PASSWORD (or the file that {name}_PASSWORD_FILE names)",
    "no password supplied": "no password. Set {name}_PASSWORD, or {name}_PASSWORD_FILE",
    "does not exist": "no such user or database. Create it (docs/server.md), or mend {name}_URL",
    "no pg_hba.conf entry": "a user or address that the server does not let in. Mend its "
    "pg_hba.conf, or {name}_URL",
    "certificate": "a certificate that is not trusted. Mend sslrootcert in {name}_URL",
    "permission denied": "no right to use the database. Grant it to the user (docs/server.md)",
}


def url_with_password(url: str, password: SecretStr | None) -> str:
    """Return a database's URL for SQLAlchemy, complete with password: never log it."""
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
    """Look whether a database lets us in and answers.

    Args:
        name: what its variables begin with, `FRAUD_DAGSTER_STORAGE` for example.

    Raises:
        Outage: it does not answer.
        SettingsError: it refuses the user, the password or the database.
    """
    import psycopg2

    complete = url_with_password(url, password).replace("+psycopg2", "", 1)
    try:
        connection = psycopg2.connect(complete)
    except psycopg2.OperationalError as error:
        raise _told(name, url, str(error)) from None
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {CONNECT_SECONDS * 1000}")
            cursor.execute("SELECT 1")
    except psycopg2.Error as error:
        raise _told(name, url, str(error)) from None
    finally:
        connection.close()


def _told(name: str, url: str, said: str) -> Outage | SettingsError:
    """Return the error that says what a database said; its words hold no password."""
    begin = f"Postgres at {url} ({name}_URL): expected it to let us in, found"
    for part, meaning in _REFUSALS.items():
        if part in said:
            return SettingsError(f"{begin} {meaning.format(name=name)}.")
    words = " ".join(said.split()).rstrip("?. ") or "nothing"
    return Outage(f"{begin} no answer: {words}. Start it, or mend {name}_URL; then run again.")
