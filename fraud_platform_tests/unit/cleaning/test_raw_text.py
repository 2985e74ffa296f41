"""Packed drops are read whole or refused: no damage may shorten one in silence."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import lzma
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.cleaning.raw_text import holding_still, open_text
from fraud_platform.contracts.drops import HEADER
from fraud_platform.errors import (
    DropChangedError,
    DropTooLargeError,
    DropUnreadableError,
    Outage,
)
from fraud_platform_tests.testing.defaults import unpacking

Pack = Callable[[bytes], bytes]
PACKERS: dict[str, Pack] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    # as the command line tool packs, with a checksum
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
ROWS = b"".join(b"%d,2019-09-01 10:00:00,1,2,5.00,0,0,0,0\n" % n for n in range(3_000))
TEXT = HEADER.encode() + b"\n" + ROWS
HALVES = TEXT[: len(TEXT) // 2], TEXT[len(TEXT) // 2 :]


def unpacked(folder: Path, suffix: str, packed: bytes) -> bytes:
    path = folder / f"2019-08-22.txt{suffix}"
    path.write_bytes(packed)
    with open_text(ByteFiles(), str(path), str(folder / "scratch"), unpacking()) as text:
        return Path(text.url).read_bytes()


@pytest.mark.parametrize("suffix", PACKERS)
def test_streams_behind_one_another_are_one_text(tmp_path: Path, suffix: str) -> None:
    pack = PACKERS[suffix]
    parts = [*HALVES, b""]
    assert unpacked(tmp_path, suffix, b"".join(map(pack, parts))) == TEXT


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_zeros_may_pad_a_stream(tmp_path: Path, suffix: str) -> None:
    first, second = map(PACKERS[suffix], HALVES)
    between = b"" if suffix == ".gz" else bytes(8)
    assert unpacked(tmp_path, suffix, first + between + second + bytes(512)) == TEXT


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("tail", [b"garbage", b"\xfd7zXZ\x00", b"\n"])
def test_what_is_no_stream_behind_one_is_refused(tmp_path: Path, suffix: str, tail: bytes) -> None:
    with pytest.raises(DropUnreadableError, match="truncated or damaged"):
        unpacked(tmp_path, suffix, PACKERS[suffix](TEXT) + tail)


@pytest.mark.parametrize("suffix", PACKERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_or_changed_byte_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    packed = b"".join(map(PACKERS[suffix], HALVES))
    place = data.draw(st.integers(0, len(packed) - 1))
    damaged = bytearray(packed)
    if data.draw(st.booleans()):
        # between the streams it is a whole file, of the first half
        damaged = damaged[: place if place != len(PACKERS[suffix](HALVES[0])) else place - 1]
    else:
        damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpacked(tmp_path_factory.mktemp("drop"), suffix, bytes(damaged))
    except DropUnreadableError:
        return
    assert found == TEXT


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(params=["path", "other scheme"])
def raw_file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = str(tmp_path) if request.param == "path" else f"memory://{tmp_path.name}"
    write(f"{url}/2019-08-22.txt", b"old rows")
    return f"{url}/2019-08-22.txt"


def write(url: str, content: bytes) -> None:
    with ByteFiles().create(url) as file:
        file.write(content)


def test_a_raw_file_of_another_content_is_refused(raw_file: str) -> None:
    write(raw_file, b"new rows")
    refused = pytest.raises(DropUnreadableError, match=sha256(b"new rows"))
    with refused, holding_still(ByteFiles(), raw_file, sha256(b"old rows"), "Do this."):
        pytest.fail("was entered")


def test_a_raw_file_that_is_gone_is_refused(raw_file: str) -> None:
    ByteFiles().remove(raw_file)
    refused = pytest.raises(DropUnreadableError, match=r"found no file\. Do this")
    with refused, holding_still(ByteFiles(), raw_file, sha256(b"old rows"), "Do this."):
        pytest.fail("was entered")


@pytest.mark.parametrize("later", [b"new rows", None])
def test_a_raw_file_replaced_meanwhile_is_noticed(raw_file: str, later: bytes | None) -> None:
    noticed = pytest.raises(DropChangedError, match="replaced while it was cleaned")
    with noticed, holding_still(ByteFiles(), raw_file, sha256(b"old rows"), "Do this."):
        ByteFiles().remove(raw_file)
        if later is not None:
            write(raw_file, later)


def test_a_raw_file_that_was_only_touched_still_holds(raw_file: str) -> None:
    with holding_still(ByteFiles(), raw_file, sha256(b"old rows"), "Do this."):
        write(raw_file, b"old rows")


def test_a_zstd_window_that_is_too_long_is_said(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(DropUnreadableError, match=r"at most 128 MiB.* without --long"):
        unpacked(tmp_path, ".zst", stream.compress(TEXT) + stream.flush())


LINE = b"7,2019-09-01 10:00:00,1,2,5.00,0,0,0,0\n"
SMALL = unpacking(ratio=20, trusted_bytes=100_000, free_bytes=0)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_small_file_that_unpacks_to_much_text_is_refused_early(
    tmp_path: Path, suffix: str
) -> None:
    bomb = PACKERS[suffix](HEADER.encode() + b"\n" + LINE * 200_000)
    path = tmp_path / f"2019-08-22.txt{suffix}"
    path.write_bytes(bomb)
    assert len(bomb) * 20 < len(LINE) * 200_000
    words = r"at most 20 bytes of text for each.*raise FRAUD_MAX_UNPACKED_RATIO"
    with (
        pytest.raises(DropTooLargeError, match=words) as caught,
        open_text(ByteFiles(), str(path), str(tmp_path / "scratch"), SMALL),
    ):
        raise AssertionError("nothing is given")
    (known,) = re.findall(r"found ([\d,]+) bytes and more", str(caught.value))
    assert int(known.replace(",", "")) < 3 << 20
    assert list((tmp_path / "scratch").iterdir()) == []
    trusting = replace(SMALL, ratio=1e6)
    with open_text(ByteFiles(), str(path), str(tmp_path / "scratch"), trusting) as text:
        assert text.size_bytes > len(LINE) * 200_000


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_text_above_the_size_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"2019-08-22.txt{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    with (
        pytest.raises(DropTooLargeError, match="FRAUD_MAX_UNPACKED_GB"),
        open_text(ByteFiles(), str(path), str(tmp_path / "s"), unpacking(size_bytes=50_000)),
    ):
        raise AssertionError("nothing is given")


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_text_that_would_fill_the_disk_is_an_outage_before_it_does(
    tmp_path: Path, suffix: str
) -> None:
    class Crowded(ByteFiles):
        def free_bytes(self, url: str) -> int | None:
            return 5_000_000

    path = tmp_path / f"2019-08-22.txt{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    limits = unpacking(free_bytes=5_000_000)
    with (
        pytest.raises(Outage, match=r"Make room there, or lower FRAUD_MIN_FREE_GB, and run again"),
        open_text(Crowded(), str(path), str(tmp_path / "scratch"), limits),
    ):
        raise AssertionError("nothing is given")
    with open_text(Crowded(), str(path), str(tmp_path / "scratch"), unpacking(free_bytes=1000)):
        pass


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_while_a_drop_is_unpacked_is_an_outage(
    tmp_path: Path, suffix: str, code: int
) -> None:
    class Failing(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(code, os.strerror(code))

    class FailingFiles(ByteFiles):
        def create(self, url: str) -> IO[bytes]:
            return Failing()

    path = tmp_path / f"2019-08-22.txt{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    with (
        pytest.raises(Outage, match="run again"),
        open_text(FailingFiles(), str(path), str(tmp_path / "scratch"), unpacking()),
    ):
        raise AssertionError("nothing is given")
