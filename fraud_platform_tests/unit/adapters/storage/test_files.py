"""Zones over disk and object stores, and the errors at that edge."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.adapters.storage.object_zone import ObjectZone
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.contracts.zones import Zone, partial_name, read_whole, sha256_of
from fraud_platform.errors import DropUnreadableError, Outage, SettingsError
from fraud_platform_tests.testing.servers.object_store import new_object_zone

NOBODY = 65_534


@pytest.fixture(params=["local", "object"])
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> Zone:
    return LocalZone(tmp_path) if request.param == "local" else new_object_zone()


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder that others may enter, and a process that is not root while the test runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        was = os.geteuid()
        if was == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
        folder.chmod(0o755)
        os.seteuid(was)


def test_a_file_is_listed_and_read_as_it_was_put(zone: Zone) -> None:
    zone.put("b.txt", b"bytes")
    zone.put("a.txt", b"")
    assert [(file.name, file.size_bytes) for file in zone.list_files()] == [
        ("a.txt", 0),
        ("b.txt", 5),
    ]
    assert read_whole(zone, "b.txt") == b"bytes"
    assert b"".join(zone.read("b.txt", 2)) == b"tes"
    assert sha256_of(zone, "a.txt").startswith("e3b0c44298fc1c14")
    assert zone.stat("b.txt") == zone.list_files()[1]
    assert zone.url_of("b.txt") == f"{zone.url}/b.txt"


def test_a_file_that_is_absent_has_no_facts_and_may_be_removed(zone: Zone) -> None:
    assert zone.stat("a.txt") is None
    zone.remove("a.txt")
    with pytest.raises(FileNotFoundError):
        read_whole(zone, "a.txt")


def test_a_put_replaces_a_file_and_changes_its_fingerprint(zone: Zone) -> None:
    zone.put("a.txt", b"one")
    before = zone.stat("a.txt")
    zone.put("a.txt", b"two")
    after = zone.stat("a.txt")
    assert read_whole(zone, "a.txt") == b"two"
    assert before is not None
    assert after is not None
    assert before.fingerprint != after.fingerprint
    assert len(zone.list_files()) == 1


def test_a_file_being_written_is_invisible_until_published(zone: Zone) -> None:
    sink = zone.begin("a.txt")
    sink.write(b"half ")
    sink.sync()
    assert zone.stat("a.txt") is None
    sink.write(b"whole")
    sink.publish()
    assert read_whole(zone, "a.txt") == b"half whole"
    assert [file.name for file in zone.list_files()] == ["a.txt"]


def test_a_discarded_file_leaves_the_older_one(zone: Zone) -> None:
    zone.put("a.txt", b"older")
    sink = zone.begin("a.txt")
    sink.write(b"newer")
    sink.discard()
    assert read_whole(zone, "a.txt") == b"older"
    assert [file.name for file in zone.list_files()] == ["a.txt"]


def test_a_local_file_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    zone = LocalZone(tmp_path)
    sink = zone.begin("a.txt")
    sink.write(b"kept lost")
    sink.close()
    assert read_whole(zone, partial_name("a.txt")) == b"kept lost"
    sink = zone.begin("a.txt", resume_at=5)
    sink.write(b"new")
    sink.publish()
    assert read_whole(zone, "a.txt") == b"kept new"


def test_an_object_store_refuses_to_resume() -> None:
    with pytest.raises(ValueError, match="cannot resume an upload"):
        new_object_zone().begin("a.txt", resume_at=5)


def test_an_equal_object_put_again_keeps_its_fingerprint() -> None:
    zone = new_object_zone()
    zone.put("a.txt", b"same")
    before = zone.stat("a.txt")
    zone.put("a.txt", b"same")
    assert zone.stat("a.txt") == before


def test_folders_and_links_to_folders_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert [file.name for file in LocalZone(tmp_path).list_files()] == ["file"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_local_url_opens_a_local_zone(tmp_path: Path, scheme: str) -> None:
    zone = open_zone(f"{scheme}{tmp_path}/new/zone/", create=True)
    assert isinstance(zone, LocalZone)
    assert (zone.url, zone.list_files()) == (f"{tmp_path}/new/zone", [])


def test_a_remote_url_opens_an_object_zone() -> None:
    zone = open_zone("memory://bucket/landing/")
    assert isinstance(zone, ObjectZone)
    zone.put("a.txt", b"bytes")
    assert zone.url_of("a.txt") == "memory://bucket/landing/a.txt"
    assert read_whole(zone, "a.txt") == b"bytes"


def test_a_protocol_that_nothing_speaks_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match=r"fax://drops: expected a local path or a protocol"):
        open_zone("fax://drops")


def test_a_local_folder_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(Outage, match="Mount or create it"):
        LocalZone(tmp_path / "away").list_files()


def test_a_file_that_may_not_be_read_is_a_data_error(unprivileged_folder: Path) -> None:
    zone = LocalZone(unprivileged_folder)
    zone.put("a.txt", b"secret")
    (unprivileged_folder / "a.txt").chmod(0)
    with pytest.raises(DropUnreadableError, match="access is refused"):
        read_whole(zone, "a.txt")


def test_a_folder_that_may_not_be_used_is_a_settings_error(unprivileged_folder: Path) -> None:
    zone = LocalZone(unprivileged_folder / "closed", create=True)
    zone.folder.chmod(0)
    for attempt in (zone.list_files, lambda: zone.put("a", b""), lambda: zone.begin("a")):
        with pytest.raises(SettingsError, match="access is refused"):
            attempt()
    zone.folder.chmod(0o755)


class ClientError(Exception):
    """Stands for an exception of the S3 client's own."""

    __module__ = "botocore.exceptions"


class NoCredentialsError(ClientError):
    __module__ = "botocore.exceptions"


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (TimeoutError("timed out"), Outage, "does not answer"),
        (ConnectionRefusedError("refused"), Outage, "does not answer"),
        (OSError(5, "Input/output error"), Outage, "does not answer"),
        (ClientError("503 SlowDown"), Outage, "503 SlowDown"),
        (PermissionError("Access Denied"), SettingsError, "access is refused"),
        (NoCredentialsError("Unable to locate credentials"), SettingsError, "Set the storage's"),
        (KeyError("a mistake of ours"), KeyError, "a mistake of ours"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_clients_failure_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception], words: str
) -> None:
    zone = new_object_zone()

    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(zone.file_system, "ls", fail)
    with pytest.raises(expected, match=words):
        zone.list_files()
