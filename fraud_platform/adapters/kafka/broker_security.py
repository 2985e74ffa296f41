"""Securing the embedded broker: a CA of its own, users with passwords, their rights.

Here: the folder of secrets, and creating users and their rights on a running broker.
Not here: which rights there are (`contracts.access`), the broker's settings
(`adapters.kafka.broker_settings`), clients (`adapters.kafka.access`).

The CA's key is deleted after signing the brokers' certificate, so it cannot be stolen. A
certificate that expires soon is replaced together with its CA at the next start.
"""

from __future__ import annotations

import ipaddress
import os
import secrets as random_secrets
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from fraud_platform.adapters.kafka.access import CA_NAME, Access, password_file, read_password
from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.services.processes import HOST
from fraud_platform.contracts.access import Grant, Role

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CERTIFICATE_NAME = "broker.pem"
SUPER_USER = "User:CN=broker"
_VALID_DAYS, _RENEWED_DAYS = 3_650, 30
_ITERATIONS = 8_192
_ANSWER_SECONDS = 20.0
_OPERATIONS = {"read": AclOperation.READ, "write": AclOperation.WRITE}
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
}


def ensure_secrets(secrets: Path) -> None:
    """Make certificates and passwords where they are missing or, certificates, near their end."""
    secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    for role in Role:
        if not password_file(secrets, role).exists():
            _write_secret(password_file(secrets, role), random_secrets.token_urlsafe(24))
    if not _is_valid(secrets / CERTIFICATE_NAME) or not (secrets / CA_NAME).exists():
        _make_certificates(secrets)


def administrator(secrets: Path, internal_port: int) -> KafkaConnection:
    """Return the connection of the broker's super user, which proves itself by certificate."""
    access = Access(ca_file=secrets / CA_NAME, certificate=secrets / CERTIFICATE_NAME)
    return KafkaConnection(f"{HOST}:{internal_port}", access)


def set_up_access(connection: KafkaConnection, secrets: Path, grants: Iterable[Grant]) -> None:
    """Create users, passwords and rights on a running broker; existing ones stay.

    Args:
        connection: the administrator's.

    Raises:
        Outage, AccessError: the broker does not answer, or refuses.
    """
    errors = ClientErrors()
    admin = AdminClient(connection.config(errors))
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(
            str(role),
            ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS),
            read_password(secrets, role).get_secret_value().encode(),
        )
        for role in Role
    ]
    rights = [
        AclBinding(
            _KINDS[grant.kind],
            grant.name,
            ResourcePatternType.PREFIXED if grant.is_prefix else ResourcePatternType.LITERAL,
            f"User:{grant.role}",
            "*",
            _OPERATIONS[grant.may],
            AclPermissionType.ALLOW,
        )
        for grant in grants
    ]
    futures: dict[Any, Future[Any]] = {
        **admin.alter_user_scram_credentials(users, request_timeout=_ANSWER_SECONDS),
        **admin.create_acls(rights, request_timeout=_ANSWER_SECONDS),
    }
    for future in futures.values():
        try:
            future.result(_ANSWER_SECONDS)
        except KafkaException as error:
            raise connection.translate("users and rights", error, errors) from None
        except TimeoutError:
            raise connection.outage("users and rights", errors, "no answer in time") from None


def _is_valid(certificate: Path) -> bool:
    from cryptography import x509

    if not certificate.exists():
        return False
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    left = found.not_valid_after_utc - datetime.now(UTC)
    return left > timedelta(days=_RENEWED_DAYS)


def _make_certificates(secrets: Path) -> None:
    """Write a CA's certificate, and a key with a certificate that it signed, both new."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = _named("fraud-platform CA"), _named(SUPER_USER.partition("=")[2])
    ca = (
        _certificate(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, _sha256())
    )
    hosts = [x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")]
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signed = (
        _certificate(name, ca_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .sign(ca_key, _sha256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_secret(secrets / CERTIFICATE_NAME, (private + signed.public_bytes(pem)).decode())
    (secrets / CA_NAME).write_bytes(ca.public_bytes(pem))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
    )


def _named(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
