"""Access to Kafka: authentication of clients, trust in brokers, the meaning of a refusal.

Here: the only place that configures librdkafka's security.
Not here: which user may do what (`contracts.access`), making users, certificates and rights on the
embedded broker (`adapters.kafka.broker_security`).

Secrets come from settings or from files, go into clients alone, and are never printed.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from fraud_platform.contracts.access import Role
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings

MECHANISM = "SCRAM-SHA-512"
CA_NAME = "ca.pem"
_SETUP_SECONDS = 10

_TLS_SECONDS = 2.0

_USE_TLS = (
    "The listener is secured: set FRAUD_KAFKA_SECURITY=sasl_ssl, with FRAUD_KAFKA_USER, "
    "FRAUD_KAFKA_PASSWORD and FRAUD_KAFKA_CA_FILE."
)
_REMEDIES = (
    (
        ("invalid credentials", "authentication failed", "authentication error"),
        (
            "Check FRAUD_KAFKA_USER and FRAUD_KAFKA_PASSWORD (or its file) against the users that "
            "the cluster knows."
        ),
    ),
    (
        ("certificate verify failed", "unknown ca", "self-signed", "self signed"),
        (
            "The certificate is not vouched for by the CA: set FRAUD_KAFKA_CA_FILE to the CA of "
            "that cluster."
        ),
    ),
    (
        ("hostname mismatch", "ip address mismatch"),
        (
            "The certificate is of another host: name the brokers in FRAUD_KAFKA_BOOTSTRAP as "
            "their certificates do."
        ),
    ),
    (
        ("connecting to a plaintext", "wrong version number"),
        (
            "The listener speaks no TLS: set FRAUD_KAFKA_SECURITY=plaintext, or name the secured "
            "listener in FRAUD_KAFKA_BOOTSTRAP."
        ),
    ),
    (
        ("connecting to a ssl listener", "incorrect security.protocol"),
        _USE_TLS,
    ),
)


@dataclass(frozen=True)
class Access:
    """Credentials: none, a user with a password, or a client certificate.

    Attributes:
        user, password: for SASL_SSL with SCRAM-SHA-512.
        ca_file: file of the CA that signs the brokers' certificates; None uses the system's CAs.
        certificate: PEM file with key and certificate, for TLS on both sides.
        ca: the CA itself, PEM, for a process that cannot read the file.
    """

    user: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    ca: str | None = None

    def __str__(self) -> str:
        return f"user {self.user}" if self.user else "this client"

    def client_options(self) -> dict[str, str | int]:
        """Return librdkafka's properties."""
        ca = {"ssl.ca.location": str(self.ca_file)} if self.ca_file else {}
        ca |= {"ssl.ca.pem": self.ca} if self.ca else {}
        # its own limit is 30 s, which a broker that accepts and never answers takes whole
        quick = {"socket.connection.setup.timeout.ms": _SETUP_SECONDS * 1000}
        if self.certificate:
            mine = str(self.certificate)
            pair = {"ssl.certificate.location": mine, "ssl.key.location": mine}
            return {"security.protocol": "ssl", **ca, **pair, **quick}
        if self.user is None or self.password is None:
            return dict(quick)
        return {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": MECHANISM,
            "sasl.username": self.user,
            "sasl.password": self.password.get_secret_value(),
            **ca,
            **quick,
        }

    def portable(self) -> Access:
        """Return the same access, with the CA itself instead of its path."""
        return (
            self
            if self.ca_file is None
            else replace(self, ca_file=None, ca=self.ca_file.read_text())
        )

    @property
    def is_plaintext(self) -> bool:
        """Whether everything is sent in the clear."""
        return self.user is None and self.certificate is None

    def remedy(self, reason: str, bootstrap: str) -> str | None:
        """Return the remedy if a client was refused; None if it was not.

        Args:
            reason: the client's last one. It has none for a listener that wants TLS and only hears
                something else, so that is tried.
        """
        said = reason.lower()
        known = (do for words, do in _REMEDIES if any(word in said for word in words))
        wants_tls = not said and self.is_plaintext and _speaks_tls(bootstrap)
        return next(known, _USE_TLS if wants_tls else None)


PLAINTEXT = Access()


def access_of(settings: Settings, role: Role) -> Access:
    """Return the access from the settings.

    Raises:
        SettingsError: a file with a secret or a certificate is missing.
    """
    if not settings.is_kafka_secured:
        return PLAINTEXT
    ca = settings.kafka_ca_file
    if settings.kafka_bootstrap is None and ca is None:
        ca = settings.kafka_secrets / CA_NAME
    if ca is not None and not ca.is_file():
        raise SettingsError(
            f"FRAUD_KAFKA_CA_FILE: expected a CA's certificate in {ca}, found no such file. "
            "On the embedded broker `fraud-platform up --secure` makes it."
        )
    if settings.kafka_user and settings.kafka_password:
        return Access(settings.kafka_user, settings.kafka_password, ca)
    return Access(str(role), read_password(settings.kafka_secrets, role), ca)


def password_file(secrets: Path, role: Role) -> Path:
    """Return where a role's password on the embedded broker is kept."""
    return secrets / f"{role}.password"


def read_password(secrets: Path, role: Role) -> SecretStr:
    """Return a role's password on the embedded broker.

    Raises:
        SettingsError: it cannot be read.
    """
    path = password_file(secrets, role)
    try:
        return SecretStr(path.read_text().strip())
    except OSError as error:
        raise SettingsError(
            f"kafka: expected the password of user {role} in {path}, found: {error.strerror}. "
            "`fraud-platform up --secure` makes it; on a cluster of your own, set "
            "FRAUD_KAFKA_USER and FRAUD_KAFKA_PASSWORD."
        ) from None


def _speaks_tls(bootstrap: str) -> bool:
    """Return whether a listener answers in TLS; its identity does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _TLS_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except OSError:
        return False
    return True
