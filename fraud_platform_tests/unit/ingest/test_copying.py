"""A drop's copy: byte for byte, resumed, whole or not at all."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.errors import (
    DropChangedError,
    DropNameError,
    DropUnreadableError,
    Outage,
)
from fraud_platform.ingest import copy_drop, raw_drop
from fraud_platform_tests.testing.servers.object_store import new_object_zone
from fraud_platform_tests.testing.worlds.copying import (
    CHUNK,
    CONTENT,
    DROP,
    SHA256,
    MeddledZone,
    names,
)

pytestmark = pytest.mark.usefixtures("small_chunks")


def fail(error: BaseException) -> Callable[[], None]:
    def meddle() -> None:
        raise error

    return meddle


def test_a_copy_has_the_bytes_checksum_and_manifest_of_its_source(
    landing: LocalZone, raw: LocalZone
) -> None:
    seen: list[tuple[int, int]] = []
    copied = copy_drop(landing, raw, DROP, lambda done, total: seen.append((done, total)))
    assert (raw.folder / DROP).read_bytes() == CONTENT
    assert (copied.drop, copied.size_bytes, copied.sha256) == ("2018-04-01", 50_000, SHA256)
    assert (copied.url, copied.resumed_from) == (str(raw.folder / DROP), None)
    assert names(raw) == [DROP, f"{DROP}.json"]
    manifest = json.loads((raw.folder / f"{DROP}.json").read_text())
    assert (manifest["sha256"], manifest["size_bytes"]) == (SHA256, 50_000)
    assert manifest["source_url"] == str(landing.folder / DROP)
    assert seen == [(done, 50_000) for done in range(CHUNK, 50_001, CHUNK)]


def test_copying_the_same_content_again_only_verifies_it(
    landing: LocalZone, raw: LocalZone
) -> None:
    copy_drop(landing, raw, DROP)
    before = (raw.folder / DROP).stat()
    again = copy_drop(landing, raw, DROP)
    assert again.was_held
    assert again.sha256 == SHA256
    assert (raw.folder / DROP).stat().st_ctime_ns == before.st_ctime_ns


def test_a_raw_copy_that_lost_its_checksum_is_copied_again(
    landing: LocalZone, raw: LocalZone
) -> None:
    copy_drop(landing, raw, DROP)
    (raw.folder / DROP).write_bytes(b"x" + CONTENT[1:])
    assert not copy_drop(landing, raw, DROP).was_held
    assert (raw.folder / DROP).read_bytes() == CONTENT


def test_an_interrupted_copy_goes_on_where_it_was(landing: LocalZone, raw: LocalZone) -> None:
    broken = MeddledZone(landing.folder, 20, fail(Outage("cable pulled")))
    with pytest.raises(Outage, match="cable pulled"):
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    assert DROP not in names(raw)
    counted = MeddledZone(landing.folder, -1, lambda: None)
    copied = copy_drop(counted, raw, DROP, checkpoint_bytes=5_000)
    assert (copied.resumed_from, counted.offsets) == (20_000, [20_000])
    assert (raw.folder / DROP).read_bytes() == CONTENT
    assert copied.sha256 == SHA256
    assert names(raw) == [DROP, f"{DROP}.json"]


@pytest.mark.parametrize("damage", ["other bytes", "shorter", "gone", "no note", "garbled note"])
def test_a_damaged_partial_file_is_not_built_upon(
    landing: LocalZone, raw: LocalZone, damage: str
) -> None:
    broken = MeddledZone(landing.folder, 20, fail(Outage("cable pulled")))
    with pytest.raises(Outage):
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    partial, note = raw.folder / f".{DROP}.partial", raw.folder / f".{DROP}.partial.json"
    match damage:
        case "other bytes":
            partial.write_bytes(b"\0" + partial.read_bytes()[1:])
        case "shorter":
            partial.write_bytes(partial.read_bytes()[:19_999])
        case "gone":
            partial.unlink()
        case "no note":
            note.unlink()
        case "garbled note":
            note.write_bytes(note.read_bytes()[:-9])
    if damage == "other bytes":  # which are found when all is read back
        with pytest.raises(Outage, match="gave back other bytes than were written"):
            copy_drop(landing, raw, DROP)
        assert DROP not in names(raw)
    copied = copy_drop(landing, raw, DROP)
    assert copied.resumed_from is None
    assert (raw.folder / DROP).read_bytes() == CONTENT


def test_a_source_that_changed_since_the_interruption_is_copied_afresh(
    landing: LocalZone, raw: LocalZone
) -> None:
    broken = MeddledZone(landing.folder, 20, fail(Outage("cable pulled")))
    with pytest.raises(Outage):
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    other = CONTENT[::-1]
    (landing.folder / DROP).write_bytes(other)
    copied = copy_drop(landing, raw, DROP)
    assert copied.resumed_from is None
    assert (raw.folder / DROP).read_bytes() == other


def test_a_replaced_drop_replaces_the_raw_copy(landing: LocalZone, raw: LocalZone) -> None:
    copy_drop(landing, raw, DROP)
    (landing.folder / DROP).write_bytes(b"shorter")
    assert copy_drop(landing, raw, DROP).size_bytes == 7
    assert (raw.folder / DROP).read_bytes() == b"shorter"
    assert raw_drop(raw, "2018-04-01").sha256 == hashlib.sha256(b"shorter").hexdigest()


def test_a_drop_sent_again_compressed_leaves_one_raw_copy(
    landing: LocalZone, raw: LocalZone
) -> None:
    copy_drop(landing, raw, DROP)
    (landing.folder / DROP).rename(landing.folder / f"{DROP}.xz")
    copy_drop(landing, raw, f"{DROP}.xz")
    assert names(raw) == [f"{DROP}.xz", f"{DROP}.xz.json"]
    assert raw_drop(raw, "2018-04-01").name == f"{DROP}.xz"


def test_what_an_interrupted_copy_left_goes_when_the_drop_comes_under_another_suffix(
    landing: LocalZone, raw: LocalZone
) -> None:
    broken = MeddledZone(landing.folder, 20, fail(Outage("cable pulled")))
    with pytest.raises(Outage):
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    assert f".{DROP}.partial" in names(raw)
    (raw.folder / "2018-05-01.txt").touch()
    (landing.folder / DROP).rename(landing.folder / f"{DROP}.gz")
    copy_drop(landing, raw, f"{DROP}.gz")
    assert names(raw) == [f"{DROP}.gz", f"{DROP}.gz.json", "2018-05-01.txt"]


def test_a_copy_that_died_before_tidying_up_is_tidied_by_the_next_one(
    landing: LocalZone, raw: LocalZone
) -> None:
    copy_drop(landing, raw, DROP)
    (raw.folder / f".{DROP}.partial.json").write_text("{}")
    assert copy_drop(landing, raw, DROP).was_held
    assert names(raw) == [DROP, f"{DROP}.json"]


def test_a_drop_that_was_never_copied_is_asked_for_with_a_remedy(raw: LocalZone) -> None:
    with pytest.raises(DropUnreadableError, match="Materialize raw_drops"):
        raw_drop(raw, "2018-04-01")


@pytest.mark.parametrize("name", ["april.txt", "2018-13-01.txt", "2018-04-01.csv"])
def test_a_name_that_is_no_date_is_refused(landing: LocalZone, raw: LocalZone, name: str) -> None:
    with pytest.raises(DropNameError, match=r"YYYY-MM-DD\.txt"):
        copy_drop(landing, raw, name)


def test_an_empty_file_is_refused(landing: LocalZone, raw: LocalZone) -> None:
    (landing.folder / DROP).write_bytes(b"")
    with pytest.raises(DropUnreadableError, match="found an empty file"):
        copy_drop(landing, raw, DROP)
    assert names(raw) == []


def test_a_file_that_is_not_there_is_a_data_error(landing: LocalZone, raw: LocalZone) -> None:
    with pytest.raises(DropChangedError, match="found it gone"):
        copy_drop(landing, raw, "2018-05-01.txt")


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        (lambda path: path.unlink(), "found it gone"),
        (grow, "a change while copying"),
        (lambda path: os.truncate(path, 30_000), "found 30,000 and a change while copying"),
        (lambda path: path.write_bytes(CONTENT[::-1]), "a change while copying"),
    ],
    ids=["vanishes", "grows", "shrinks", "is rewritten"],
)
@pytest.mark.parametrize("has_older_copy", [False, True])
def test_a_drop_that_changes_under_the_copy_leaves_the_raw_zone_as_it_was(
    landing: LocalZone,
    raw: LocalZone,
    meddle: Callable[[Path], Any],
    words: str,
    has_older_copy: bool,
) -> None:
    if has_older_copy:
        (landing.folder / DROP).write_bytes(b"older")
        copy_drop(landing, raw, DROP)
        (landing.folder / DROP).write_bytes(CONTENT)
    before = {path.name: path.read_bytes() for path in raw.folder.iterdir()}
    meddled = MeddledZone(landing.folder, 10, lambda: meddle(landing.folder / DROP))
    with pytest.raises(DropChangedError, match=words):
        copy_drop(meddled, raw, DROP)
    assert {path.name: path.read_bytes() for path in raw.folder.iterdir()} == before


def test_a_checksum_other_than_the_senders_is_refused(landing: LocalZone, raw: LocalZone) -> None:
    manifest = {"size_bytes": 50_000, "sha256": "0" * 64}
    (landing.folder / f"{DROP}.manifest").write_text(json.dumps(manifest))
    with pytest.raises(DropUnreadableError, match=f"found {SHA256}"):
        copy_drop(landing, raw, DROP)
    assert names(raw) == []
    manifest["sha256"] = SHA256.upper()
    (landing.folder / f"{DROP}.manifest").write_text(json.dumps(manifest))
    assert copy_drop(landing, raw, DROP).sha256 == SHA256


def test_a_size_other_than_the_senders_is_refused(landing: LocalZone, raw: LocalZone) -> None:
    (landing.folder / f"{DROP}.manifest").write_text('{"size_bytes": 60000}')
    with pytest.raises(DropUnreadableError, match="expected 60,000 bytes by its manifest"):
        copy_drop(landing, raw, DROP)


def test_too_little_space_is_an_outage_before_a_byte_is_written(
    landing: LocalZone, raw: LocalZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(raw.folder)._replace(free=49_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(Outage, match="expected 50,000 free bytes"):
        copy_drop(landing, raw, DROP)
    assert names(raw) == []


def test_a_disk_that_fills_up_is_an_outage_and_the_copy_then_goes_on(
    landing: LocalZone, raw: LocalZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def __init__(self, file: Any) -> None:
            self.file, self.room = file, 30_500

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: memoryview) -> int:
            if self.room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = self.file.write(data[: self.room])
            self.room -= written
            return written

    opened = os.fdopen
    monkeypatch.setattr(
        os, "fdopen", lambda fd, mode, buffering: FullDisk(opened(fd, mode, buffering=buffering))
    )
    with pytest.raises(Outage, match="no space left"):
        copy_drop(landing, raw, DROP, checkpoint_bytes=5_000)
    monkeypatch.undo()
    copied = copy_drop(landing, raw, DROP)
    assert copied.resumed_from == 30_000
    assert (raw.folder / DROP).read_bytes() == CONTENT


def test_storage_that_gives_back_other_bytes_is_an_outage_and_nothing_appears(
    landing: LocalZone, tmp_path: Path
) -> None:
    class LyingZone(LocalZone):
        def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
            for chunk in super().read(name, offset):
                yield bytes(len(chunk)) if name.endswith(".partial") else chunk

    raw = LyingZone(tmp_path / "raw", create=True)
    with pytest.raises(Outage, match="gave back other bytes"):
        copy_drop(landing, raw, DROP)
    assert names(raw) == []


def test_a_second_copy_of_the_same_drop_waits_for_the_first(
    landing: LocalZone, raw: LocalZone
) -> None:
    first = raw.begin(DROP)
    with pytest.raises(Outage, match="another process is copying it"):
        copy_drop(landing, raw, DROP)
    first.discard()
    assert copy_drop(landing, raw, DROP).sha256 == SHA256


def test_an_object_store_gets_the_whole_file_or_none(landing: LocalZone) -> None:
    raw = new_object_zone()
    broken = MeddledZone(landing.folder, 20, fail(Outage("cable pulled")))
    with pytest.raises(Outage):
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    gc.collect()
    assert raw.stat(DROP) is None
    assert raw.file_system.uploads_abandoned == 1
    copied = copy_drop(landing, raw, DROP)
    assert (copied.resumed_from, copied.url) == (None, f"store://bucket/raw/{DROP}")
    assert b"".join(raw.read(DROP)) == CONTENT
    assert raw_drop(raw, "2018-04-01").sha256 == SHA256
    assert [file.name for file in raw.list_files()] == [DROP, f"{DROP}.json"]
    assert copy_drop(landing, raw, DROP).was_held
