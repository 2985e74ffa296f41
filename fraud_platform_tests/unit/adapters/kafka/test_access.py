"""Access to Kafka: settings of clients, rights of roles, messages of refusals."""

from __future__ import annotations

import pickle
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pydantic import SecretStr, ValidationError

from fraud_platform.adapters.kafka import broker_security
from fraud_platform.adapters.kafka.access import CA_NAME, Access, read_password
from fraud_platform.adapters.kafka.broker_security import CERTIFICATE_NAME, ensure_secrets
from fraud_platform.adapters.kafka.broker_settings import Node, write_settings
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.contracts.access import Role, grants
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings

SECRET = 'canary"with\\quotes'


def settings(tmp_path: Path, **chosen: Any) -> Settings:
    return Settings(home=tmp_path, **chosen)


def secured(tmp_path: Path, **chosen: Any) -> Settings:
    return settings(
        tmp_path,
        kafka_bootstrap="host:9093",
        kafka_security="sasl_ssl",
        kafka_user="me",
        kafka_password=SecretStr(SECRET),
        **chosen,
    )


def test_without_security_nothing_is_added(tmp_path: Path) -> None:
    connection = KafkaConnection.from_settings(settings(tmp_path))
    assert connection.portable() == connection
    assert not any("ssl" in name or "sasl" in name for name in connection.access.client_options())


def test_a_cluster_gets_the_user_that_is_set_whatever_the_role(tmp_path: Path) -> None:
    for role in Role:
        options = KafkaConnection.from_settings(secured(tmp_path), role).access.client_options()
        assert options["security.protocol"] == "sasl_ssl"
        assert options["sasl.mechanism"] == "SCRAM-SHA-512"
        assert (options["sasl.username"], options["sasl.password"]) == ("me", SECRET)


def test_a_worker_elsewhere_gets_the_same_way_in_with_the_ca_and_no_path(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    connection = KafkaConnection.from_settings(secured(tmp_path, kafka_ca_file=ca))
    sent = pickle.loads(pickle.dumps(connection.portable()))
    assert hash(sent) == hash(connection.portable())
    options = sent.access.client_options()
    assert options.pop("ssl.ca.pem") == ca.read_text()
    here = connection.access.client_options()
    assert here.pop("ssl.ca.location") == str(ca)
    assert options == here
    assert SECRET not in f"{sent!r} {sent}"


def test_a_password_is_in_no_text_of_settings_or_connection(tmp_path: Path) -> None:
    chosen = secured(tmp_path)
    connection = KafkaConnection.from_settings(chosen)
    assert SECRET not in f"{chosen!r} {chosen} {connection!r} {connection} {connection.access}"
    # but other processes of the platform get it, by their environment
    assert chosen.environment["FRAUD_KAFKA_PASSWORD"] == SECRET


@pytest.mark.parametrize(
    ("chosen", "output"),
    [
        ({"kafka_security": "sasl_ssl", "kafka_user": "me"}, "needs FRAUD_KAFKA_PASSWORD"),
        ({"kafka_security": "sasl_ssl", "kafka_password": "x"}, "needs FRAUD_KAFKA_USER"),
        ({"kafka_user": "me", "kafka_password": "x"}, "needs FRAUD_KAFKA_SECURITY=sasl_ssl"),
    ],
)
def test_half_a_way_in_is_refused(tmp_path: Path, chosen: dict[str, str], output: str) -> None:
    with pytest.raises(ValidationError, match=output):
        settings(tmp_path, kafka_bootstrap="host:9093", **chosen)


def test_a_missing_ca_or_password_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    with pytest.raises(SettingsError, match=f"{gone}.*no such file"):
        KafkaConnection.from_settings(secured(tmp_path, kafka_ca_file=gone))
    embedded = settings(tmp_path, kafka_security="sasl_ssl")
    with pytest.raises(SettingsError, match="up --secure"):
        KafkaConnection.from_settings(embedded)
    ensure_secrets(embedded.kafka_secrets)
    (embedded.kafka_secrets / "reader.password").unlink()
    KafkaConnection.from_settings(embedded)
    with pytest.raises(SettingsError, match="password of user reader"):
        KafkaConnection.from_settings(embedded, Role.READER)


def test_a_home_that_was_secured_once_stays_so_unless_told_otherwise(tmp_path: Path) -> None:
    assert not settings(tmp_path).is_kafka_secured
    ensure_secrets(settings(tmp_path).kafka_secrets)
    assert settings(tmp_path).is_kafka_secured
    assert not settings(tmp_path, kafka_security="plaintext").is_kafka_secured
    assert not settings(tmp_path, kafka_bootstrap="host:9092").is_kafka_secured


def test_each_role_on_the_embedded_broker_has_a_password_of_its_own(tmp_path: Path) -> None:
    embedded = settings(tmp_path, kafka_security="sasl_ssl")
    ensure_secrets(embedded.kafka_secrets)
    found = {}
    for role in Role:
        options = KafkaConnection.from_settings(embedded, role).access.client_options()
        assert options["sasl.username"] == role
        found[role] = options["sasl.password"]
    assert len(set(found.values())) == len(Role)


def test_secrets_are_kept_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    ensure_secrets(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ensure_secrets(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    private = set(before) - {CA_NAME}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in private} == {0o600}
    assert b"PRIVATE" not in before[CA_NAME]


def test_a_certificate_near_its_end_is_replaced_and_passwords_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_security, "_VALID_DAYS", 20)
    ensure_secrets(tmp_path / "secrets")
    password = read_password(tmp_path / "secrets", Role.SCORER)
    monkeypatch.undo()
    ensure_secrets(tmp_path / "secrets")
    assert read_password(tmp_path / "secrets", Role.SCORER) == password
    made = [
        x509.load_pem_x509_certificate((tmp_path / "secrets" / name).read_bytes())
        for name in (CERTIFICATE_NAME, CA_NAME)
    ]
    assert all(c.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365) for c in made)
    made[0].verify_directly_issued_by(made[1])


def test_a_secured_brokers_settings_hold_no_secret_and_no_plaintext_listener(
    tmp_path: Path,
) -> None:
    secrets = tmp_path / "secrets"
    ensure_secrets(secrets)
    node = Node(tmp_path / "node", 9093, secrets)
    assert node.internal_port() is None
    write_settings(node)
    output = (tmp_path / "node" / "server.properties").read_text()
    assert "PLAINTEXT" not in output
    assert not any(read_password(secrets, role).get_secret_value() in output for role in Role)
    assert f"BROKERS://127.0.0.1:{node.internal_port()}" in output
    assert "allow.everyone" not in output


def test_no_role_may_do_what_is_anothers(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    allowed = {(g.role, g.may, g.name) for g in grants(chosen)}
    writers = {
        name: {role for role, may, other in allowed if may == "write" and other == name}
        for name in (
            chosen.transactions_topic,
            chosen.labels_topic,
            chosen.predictions_topic,
            chosen.dead_letters_topic,
            "fraud-platform-scorer-transactions",
        )
    }
    assert writers == {
        "transactions": {Role.PRODUCER},
        "labels": {Role.PRODUCER},
        "predictions": {Role.SCORER},
        "transactions.dlq": {Role.SCORER},
        "fraud-platform-scorer-transactions": {Role.SCORER},
    }
    assert {name for role, may, name in allowed if role == Role.READER} == {
        "predictions",
        "transactions.dlq",
        "fraud-platform-reader",
    }


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("SASL authentication error: invalid credentials with SCRAM-SHA-512", "KAFKA_PASSWORD"),
        ("SSL handshake failed: certificate verify failed: broker certificate", "KAFKA_CA_FILE"),
        ("Disconnected: connecting to a SSL listener?", "KAFKA_SECURITY=sasl_ssl"),
        ("SSL handshake failed: wrong version number: connecting to a PLAINTEXT", "=plaintext"),
        ("Connect to ipv4#127.0.0.1:9092 failed: Connection refused", None),
        ("", None),
    ],
)
def test_a_refusal_says_what_to_do(reason: str, remedy: str | None) -> None:
    found = Access().remedy(reason, "127.0.0.1:1")
    assert (found is None) if remedy is None else (found is not None and remedy in found)
