"""What lies in landing and is no drop: links, pipes, folders, names that would forge a log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.contracts.drop_names import drop_of
from fraud_platform.contracts.drops import printable
from fraud_platform.errors import DropNameError, DropUnreadableError
from fraud_platform.ingest import copy_drop, observe_landing

NAME = "2018-04-01.txt"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    (tmp_path / "raw").mkdir()
    return folder


def complaints(landing: Path) -> dict[str, str]:
    raw = open_zone(str(landing.parent / "raw"))
    look = observe_landing(open_zone(str(landing)), raw, None, 100.0, 0.0)
    return {c.name: c.message for c in look.complaints}


def make(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        secret = path.parent.parent / "secret"
        secret.write_text("a secret of the platform's user")
        path.symlink_to(secret if kind == "link" else "nowhere")


@pytest.mark.parametrize("kind", ["link", "dead link", "folder", "pipe"])
def test_what_is_no_file_is_refused_by_name_and_not_read(landing: Path, kind: str) -> None:
    make(kind, landing / NAME)
    what = kind.removeprefix("dead ")
    output = complaints(landing)
    assert f"{NAME}: expected a file in {landing}, found a {what}" in output[NAME]
    zone, raw = open_zone(str(landing)), open_zone(str(landing.parent / "raw"))
    with pytest.raises(DropUnreadableError, match=f"found a {what}"):
        copy_drop(zone, raw, NAME)
    assert list((landing.parent / "raw").iterdir()) == []


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(landing: Path) -> None:
    make("link", landing / NAME)
    with pytest.raises(DropUnreadableError, match="found a link"):
        next(open_zone(str(landing)).read(NAME))


def test_a_folder_that_is_no_drop_and_hidden_entries_are_let_be(landing: Path) -> None:
    (landing / "rejected").mkdir()
    (landing / ".link").symlink_to("nowhere")
    assert complaints(landing) == {}


FORGED = "april\n2026-01-01 00:00:00 INFO drop 2018-04-01 published \x1b[2K\u202e.txt"


def test_a_name_cannot_forge_a_line_of_a_log(landing: Path) -> None:
    (landing / FORGED).write_bytes(b"x")
    (landing / (b"may\xff\r.txt".decode("utf-8", "surrogateescape"))).write_bytes(b"x")
    (landing / NAME).write_bytes(b"x")
    (landing / f"{NAME}.manifest").write_bytes(b"1,2018-04-01 10:00:00,596,3156,57.16")
    output = complaints(landing)
    assert len(output) == 3
    for text in (*output, *output.values()):
        assert text.isprintable()
        text.encode()
    assert "596" not in "".join(output.values())


def test_a_name_is_bounded() -> None:
    assert printable("a" * 120) == "a" * 120
    assert printable("a" * 5_000) == "a" * 118 + ".."
    with pytest.raises(DropNameError) as error:
        drop_of("\n" * 5_000)
    assert len(str(error.value)) < 400
