"""Packed drops are read whole or refused: no damage may shorten one in silence."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.cleaning.raw_text import open_text
from fraud_platform.contracts.drops import HEADER
from fraud_platform.errors import DropUnreadableError

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
    with open_text(ByteFiles(), str(path), str(folder / "scratch")) as text:
        return Path(text.url).read_bytes()


@pytest.mark.parametrize("suffix", PACKERS)
def test_streams_behind_one_another_are_one_text(tmp_path: Path, suffix: str):
    pack = PACKERS[suffix]
    parts = [*HALVES, b""]
    assert unpacked(tmp_path, suffix, b"".join(map(pack, parts))) == TEXT


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_zeros_may_pad_a_stream(tmp_path: Path, suffix: str):
    first, second = map(PACKERS[suffix], HALVES)
    between = b"" if suffix == ".gz" else bytes(8)
    assert unpacked(tmp_path, suffix, first + between + second + bytes(512)) == TEXT


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("tail", [b"garbage", b"\xfd7zXZ\x00", b"\n"])
def test_what_is_no_stream_behind_one_is_refused(tmp_path: Path, suffix: str, tail: bytes):
    with pytest.raises(DropUnreadableError, match="truncated or damaged"):
        unpacked(tmp_path, suffix, PACKERS[suffix](TEXT) + tail)


@pytest.mark.parametrize("suffix", PACKERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_or_changed_byte_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
):
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
