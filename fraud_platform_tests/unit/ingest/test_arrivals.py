"""When a drop in landing counts as complete and new."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.errors import DropNameError, Outage
from fraud_platform.ingest import copy_drop, observe_landing
from fraud_platform.ingest.arrivals import DropArrival, LandingLook, drop_names, only_name

DROP = "2018-04-01.txt"


def content_of(arrival: DropArrival) -> str:
    """Return what is the same for every look and differs for other content."""
    return f"{arrival.drop}-{arrival.fingerprint}"


class Landing:
    """A landing folder, a raw zone and a sensor's memory, with a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "landing"
        self.landing = open_zone(str(self.folder), create=True)
        self.raw = open_zone(str(folder / "raw"), create=True)
        self.cursor: str | None = None
        self.now = 1_000.0

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def look(self, later: float = 0.0, settle_seconds: float = 10.0) -> LandingLook:
        self.now += later
        look = observe_landing(self.landing, self.raw, self.cursor, self.now, settle_seconds)
        self.cursor = look.cursor
        return look


@pytest.fixture
def place(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def test_a_drop_arrives_when_it_stood_still_between_two_looks(place: Landing) -> None:
    place.write(DROP, "rows")
    assert place.look().waiting == (DROP,)
    assert place.look(later=9.9).waiting == (DROP,)
    look = place.look(later=0.1)
    assert [(a.drop, a.name, a.size_bytes, a.replaces) for a in look.arrivals] == [
        ("2018-04-01", DROP, 4, None)
    ]
    assert look.waiting == ()


def test_a_growing_drop_starts_settling_anew(place: Landing) -> None:
    place.write(DROP, "rows")
    place.look()
    place.write(DROP, "rows and more")
    assert place.look(later=10).waiting == (DROP,)
    assert [a.size_bytes for a in place.look(later=10).arrivals] == [13]


def test_a_rewrite_of_equal_size_and_time_starts_settling_anew(place: Landing) -> None:
    place.write(DROP, "rows")
    times = (place.folder / DROP).stat()
    place.look()
    place.write(DROP, "ROWS")
    os.utime(place.folder / DROP, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert place.look(later=10).waiting == (DROP,)


def test_one_look_is_enough_without_a_settling_time(place: Landing) -> None:
    place.write(DROP, "rows")
    assert len(place.look(settle_seconds=0).arrivals) == 1


def test_a_clock_set_back_only_lengthens_the_wait(place: Landing) -> None:
    place.write(DROP, "rows")
    place.look()
    assert place.look(later=-500).waiting == (DROP,)
    assert len(place.look(later=10).arrivals) == 1


def test_a_manifest_that_fits_completes_a_drop_at_once(place: Landing) -> None:
    place.write(DROP, "rows")
    place.write(f"{DROP}.manifest", json.dumps({"size_bytes": 4}))
    look = place.look()
    assert len(look.arrivals) == 1
    assert look.complaints == ()


def test_an_empty_manifest_completes_a_drop_at_once(place: Landing) -> None:
    place.write(DROP, "rows")
    place.write(f"{DROP}.manifest", "")
    assert len(place.look().arrivals) == 1


def test_a_drop_short_of_its_manifest_waits_and_is_named_once_it_stands_still(
    place: Landing,
) -> None:
    place.write(DROP, "ro")
    place.write(f"{DROP}.manifest", json.dumps({"size_bytes": 4}))
    first = place.look()
    assert (first.waiting, first.complaints) == ((DROP,), ())
    later = place.look(later=60)
    assert later.arrivals == ()
    assert "expected 4 bytes by its manifest, found 2" in later.complaints[0].message
    place.write(DROP, "rows")
    assert len(place.look().arrivals) == 1


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"size_bytes": "4"}', '{"size_bytes": 4, "sha256": "abc"}', "null"]
)
def test_a_manifest_that_cannot_be_read_is_named_and_its_drop_left_alone(
    place: Landing, text: str
) -> None:
    place.write(DROP, "rows")
    place.write(f"{DROP}.manifest", text)
    place.look()
    look = place.look(later=60)
    assert look.arrivals == ()
    assert [c.name for c in look.complaints] == [f"{DROP}.manifest"]
    assert "Write the manifest again" in look.complaints[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [("[" * 60_000, "recursion"), (" " * 70_000 + "{}", "expected at most 65,536 bytes")],
)
def test_a_hostile_manifest_is_named_and_harms_no_other_drop(
    place: Landing, text: str, words: str
) -> None:
    place.write(DROP, "rows")
    place.write("2018-05-01.txt", "rows")
    place.write(f"{DROP}.manifest", text)
    look = place.look(settle_seconds=0)
    assert [a.name for a in look.arrivals] == ["2018-05-01.txt"]
    assert [c.name for c in look.complaints] == [f"{DROP}.manifest"]
    assert words in look.complaints[0].message


def test_a_link_that_leads_to_itself_harms_no_drop(place: Landing) -> None:
    place.write(DROP, "rows")
    (place.folder / "2018-05-01.txt").symlink_to("2018-05-01.txt")
    assert [a.name for a in place.look(settle_seconds=0).arrivals] == [DROP]


def test_two_files_of_one_drop_are_refused_in_the_words_of_the_look(place: Landing) -> None:
    for name in (DROP, f"{DROP}.gz", "2018-05-01.txt"):
        place.write(name, "rows")
    names = drop_names(place.landing)
    assert only_name("2018-05-01", names["2018-05-01"]) == "2018-05-01.txt"
    with pytest.raises(DropNameError, match="expected one file for drop 2018-04-01, found 2") as e:
        only_name("2018-04-01", names["2018-04-01"])
    complaint = place.look(settle_seconds=0).complaints[0].message
    assert str(e.value).split(": ", 1)[1] == complaint.split(": ", 1)[1]


def test_a_success_mark_covers_what_came_before_it_alone(place: Landing) -> None:
    place.write("2018-04-01.txt", "rows")
    place.write("_SUCCESS", "")
    place.write("2018-05-01.txt", "rows")
    mark = (place.folder / "_SUCCESS").stat()
    os.utime(place.folder / "2018-05-01.txt", ns=(mark.st_atime_ns, mark.st_mtime_ns + 10**9))
    look = place.look()
    assert [a.drop for a in look.arrivals] == ["2018-04-01"]
    assert look.waiting == ("2018-05-01.txt",)


def test_names_that_are_no_date_are_named_and_harm_no_other_drop(place: Landing) -> None:
    for name in ("april.txt", "2018-02-30.txt", "2018-04-01.csv", DROP):
        place.write(name, "rows")
    place.look()
    look = place.look(later=10)
    assert [a.name for a in look.arrivals] == [DROP]
    assert [c.name for c in look.complaints] == ["2018-02-30.txt", "2018-04-01.csv", "april.txt"]
    assert all("YYYY-MM-DD.txt" in c.message for c in look.complaints)


def test_unfinished_uploads_marks_and_folders_are_passed_over(place: Landing) -> None:
    for name in (f".{DROP}.a1b2", f"{DROP}.filepart", f"{DROP}._COPYING_", "_logs"):
        place.write(name, "rows")
    (place.folder / "rejected").mkdir()
    look = place.look(settle_seconds=0)
    assert (look.arrivals, look.waiting, look.complaints) == ((), (), ())


def test_two_files_for_one_drop_are_both_named_and_neither_taken(place: Landing) -> None:
    for name in (DROP, f"{DROP}.gz", "2018-05-01.txt"):
        place.write(name, "rows")
    look = place.look(settle_seconds=0)
    assert [a.drop for a in look.arrivals] == ["2018-05-01"]
    assert [c.name for c in look.complaints] == [DROP, f"{DROP}.gz"]
    assert "found 2" in look.complaints[0].message


def test_arrivals_come_in_the_order_of_their_drops(place: Landing) -> None:
    for name in ("2018-05-01.txt.xz", "2018-04-01.txt", "2018-06-01.txt"):
        place.write(name, name)
    look = place.look(settle_seconds=0)
    assert [a.drop for a in look.arrivals] == ["2018-04-01", "2018-05-01", "2018-06-01"]


def test_a_copied_drop_does_not_arrive_again_even_without_the_cursor(place: Landing) -> None:
    place.write(DROP, "rows")
    copy_drop(place.landing, place.raw, DROP)
    assert place.look(settle_seconds=0).arrivals == ()
    place.cursor = None
    assert place.look(settle_seconds=0).arrivals == ()


def test_a_content_has_one_key_with_or_without_the_cursor(place: Landing) -> None:
    place.write(DROP, "rows")
    place.look()
    keys = {content_of(a) for a in place.look(later=10).arrivals}
    place.cursor = None
    place.look()
    keys |= {content_of(a) for a in place.look(later=10).arrivals}
    assert len(keys) == 1


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"a": 1}', '{"2018-04-01.txt": ["x"]}', "7"])
def test_a_cursor_that_is_not_understood_is_the_same_as_none(place: Landing, cursor: str) -> None:
    place.write(DROP, "rows")
    place.cursor = cursor
    assert place.look().waiting == (DROP,)
    assert len(place.look(later=10).arrivals) == 1


def test_a_replaced_drop_arrives_once_more_under_another_key(place: Landing) -> None:
    place.write(DROP, "rows")
    first = place.look(settle_seconds=0).arrivals[0]
    copied = copy_drop(place.landing, place.raw, DROP)
    place.write(DROP, "ROWS")
    second = place.look(settle_seconds=0).arrivals[0]
    assert content_of(second) != content_of(first)
    assert second.replaces == copied.sha256 == hashlib.sha256(b"rows").hexdigest()
    copy_drop(place.landing, place.raw, DROP)
    assert place.look(settle_seconds=0).arrivals == ()


def test_a_touched_drop_is_the_same_content_and_is_hashed_once(
    place: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(DROP, "rows")
    copy_drop(place.landing, place.raw, DROP)
    os.utime(place.folder / DROP, (1, 1))
    assert place.look(settle_seconds=0).arrivals == ()
    monkeypatch.setattr("fraud_platform.ingest.arrivals.sha256_of", lambda zone, name: 1 / 0)
    assert place.look(settle_seconds=0, later=5).arrivals == ()


def test_a_drop_whose_raw_copy_was_lost_arrives_again(place: Landing) -> None:
    place.write(DROP, "rows")
    place.look(settle_seconds=0)
    copy_drop(place.landing, place.raw, DROP)
    place.look(settle_seconds=0)
    place.raw.remove(DROP)
    assert len(place.look(settle_seconds=0).arrivals) == 1


def test_a_landing_folder_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    raw = open_zone(str(tmp_path / "raw"), create=True)
    with pytest.raises(Outage, match="Mount or create it"):
        observe_landing(open_zone(str(tmp_path / "landing")), raw, None, 0.0, 10.0)


@pytest.mark.parametrize("seed", range(5))
def test_every_content_that_stands_still_is_requested_under_exactly_one_key(
    place: Landing, seed: int
) -> None:
    """Random writes, touches, cursor losses and copies; the oracle keeps each content's text."""
    chance = random.Random(seed)
    requested: dict[tuple[str, str], set[str]] = {}
    names = ["2018-04-01.txt", "2018-05-01.txt"]
    for step in range(60):
        name = chance.choice(names)
        action = chance.choice(["write", "look", "look", "look", "touch", "forget"])
        if action == "write":
            place.write(name, f"content {step:03}")
        elif action == "forget":
            place.cursor = None
        elif action == "touch" and place.raw.stat(f"{name}.json") is not None:
            os.utime(place.folder / name)
        elif action == "look":
            for arrival in place.look(later=chance.choice([3, 20])).arrivals:
                text = (place.folder / arrival.name).read_text()
                requested.setdefault((arrival.drop, text), set()).add(content_of(arrival))
                copy_drop(place.landing, place.raw, arrival.name)
    place.look(later=20)
    for arrival in place.look(later=20).arrivals:
        text = (place.folder / arrival.name).read_text()
        requested.setdefault((arrival.drop, text), set()).add(content_of(arrival))
    assert all(len(keys) == 1 for keys in requested.values())
    for path in place.folder.iterdir():
        assert (path.stem, path.read_text()) in requested
