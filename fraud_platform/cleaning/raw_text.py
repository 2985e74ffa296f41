"""Opening a raw drop as plain text that tasks can read by byte range.

Here: verifying the file's checksum, unpacking into a scratch folder, reading the header, and
errors for unreadable files.
Not here: the rows (`lines`, `tasks`).

Tasks cannot start to read in the middle of a compressed stream or of a Parquet file. Therefore it
is unpacked once into a scratch folder of the lake, which every task can reach. The raw zone keeps
the original bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from fraud_platform.cleaning.block_readers import BlockReader
from fraud_platform.cleaning.declared_blocks import DeclaredReader, reader_of
from fraud_platform.cleaning.declared_header import read_declared_header
from fraud_platform.cleaning.header import HEADER_LIMIT_BYTES, Header, read_header
from fraud_platform.cleaning.parquet_text import parquet_lines
from fraud_platform.contracts.active import DATA_SET
from fraud_platform.contracts.data_set import DataSet, SourceSpec
from fraud_platform.contracts.drops import COMPRESSIONS
from fraud_platform.contracts.time import day_number
from fraud_platform.errors import (
    DataError,
    DropChangedError,
    DropTooLargeError,
    DropUnreadableError,
    Outage,
)
from fraud_platform.ingest.manifests import MAX_MANIFEST_BYTES, RAW_SUFFIX, parse_raw_manifest
from fraud_platform.rows.exceptions import Exceptions
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files

_CHUNK_BYTES, _GIGABYTE = 1 << 20, 10**9
_UNPACKING_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, pa.ArrowException)


@dataclass(frozen=True)
class RawText:
    """A drop's text, its header, and what reads its rows.

    Attributes:
        reader: reads the text's format.
        arrived_on: the day, since 1970, on which its raw file came; None if nothing says it.
    """

    url: str
    size_bytes: int
    header: Header
    reader: BlockReader
    arrived_on: int | None = None

    def with_exceptions(self, exceptions: Exceptions) -> RawText:
        """Return the same text, read with keys whose surrogate is not their hash."""
        if not exceptions or not isinstance(self.reader, DeclaredReader):
            return self
        return replace(self, reader=replace(self.reader, exceptions=exceptions))


@dataclass(frozen=True)
class UnpackLimits:
    """How much text a packed drop may have.

    Args:
        ratio: bytes of text for each packed byte; real drops have 4 to 10.
        size_bytes: bytes of text.
        free_bytes: space that stays free on a local disk.
        trusted_bytes: less text than this has any ratio; it does no harm.
    """

    ratio: float
    size_bytes: int
    free_bytes: int
    trusted_bytes: int = 64 << 20

    @classmethod
    def from_settings(cls, settings: Settings) -> UnpackLimits:
        """Return the limits from the settings."""
        return cls(
            ratio=settings.max_unpacked_ratio,
            size_bytes=round(settings.max_unpacked_gb * _GIGABYTE),
            free_bytes=round(settings.min_free_gb * _GIGABYTE),
        )


@contextmanager
def open_text(
    files: Files,
    raw_path: str,
    scratch: str,
    limits: UnpackLimits,
    data_set: DataSet = DATA_SET,
) -> Iterator[RawText]:
    """Yield a drop as plain text; a decompressed copy in `scratch` is removed at the end.

    Args:
        files: reads and writes files by URL.
        raw_path: URL of the raw file.
        scratch: URL of a folder for its unpacked text.
        limits: how much text a packed drop may have.
        data_set: declares the drop's format.

    Raises:
        DropTooLargeError: it is packed, and has more text than the limits allow.
        Outage: the disk that it is unpacked to is full, or would be.
        DropUnreadableError: there is no such file, it is empty, or its stream is broken.
        DropHeaderError: its header differs from the contract.
    """
    name = raw_path.rsplit("/", 1)[-1]
    suffix = next((s for s in COMPRESSIONS if name.endswith(s)), None)
    is_parquet = data_set.source.drops.kind == "parquet"
    unpacked = raw_path if suffix is None else f"{scratch}/unpacked"
    url = f"{scratch}/text" if is_parquet else unpacked
    made = [one for one in dict.fromkeys((unpacked, url)) if one != raw_path]
    try:
        try:
            if suffix is not None:
                _unpack(files, raw_path, unpacked, suffix, limits)
            if is_parquet:
                _write_lines(files, unpacked, url, name, data_set.source, limits)
            text = _read_text(files, url, name, data_set)
            text = replace(text, arrived_on=_arrival(files, raw_path))
        except FileNotFoundError:
            raise DropUnreadableError(
                f"{raw_path}: expected a raw drop, found no file. Materialize raw_drops again."
            ) from None
        yield text
    finally:
        for one in made:
            files.remove(one)


@contextmanager
def holding_still(files: Files, raw_path: str, sha256: str, remedy: str) -> Iterator[None]:
    """Check that a raw file has this checksum before the `with` block and at its end.

    The whole file is read before the block, at 1 to 2 GB/s; after the block only if its version
    has changed.

    Raises:
        DropUnreadableError: the file is missing or has another checksum.
        DropChangedError: the file has another checksum at the end of the block.
    """
    version = files.version(raw_path)
    if (actual := sha256_of(files, raw_path)) != sha256:
        raise DropUnreadableError(
            f"{raw_path}: expected SHA-256 {sha256}, found {actual}. {remedy}"
        )
    yield
    if files.version(raw_path) != version and (actual := sha256_of(files, raw_path)) != sha256:
        raise DropChangedError(
            f"{raw_path}: expected SHA-256 {sha256} until it was cleaned, found {actual}: it was "
            "replaced while it was cleaned, and nothing was published. Run it again."
        )


def sha256_of(files: Files, url: str) -> str:
    """Return a file's SHA-256 in hex, or the text `no file` if it is missing."""
    digest = hashlib.sha256()
    try:
        with files.open_input(url) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return "no file"
    return digest.hexdigest()


def _arrival(files: Files, raw_path: str) -> int | None:
    """Return the day on which a raw file was copied, as its manifest beside it says."""
    name = raw_path.rsplit("/", 1)[-1] + RAW_SUFFIX
    try:
        with files.open_input(raw_path + RAW_SUFFIX) as file:
            copied_at = parse_raw_manifest(name, file.read(MAX_MANIFEST_BYTES)).copied_at
        moment = datetime.fromisoformat(copied_at)
    except (FileNotFoundError, DataError, ValueError, TypeError):
        return None
    return day_number(moment.date())


def _read_text(files: Files, url: str, name: str, data_set: DataSet) -> RawText:
    with files.open_input(url) as file:
        head = file.read(HEADER_LIMIT_BYTES)
    if data_set.fits_fast_parser:
        header = read_header(head, name)
    else:
        header = read_declared_header(head, name, data_set.source)
    return RawText(url, files.size_bytes(url), header, reader_of(data_set, header))


def _unpack(files: Files, raw_path: str, target: str, suffix: str, limits: UnpackLimits) -> None:
    name = raw_path.rsplit("/", 1)[-1]
    packed_bytes, size = files.size_bytes(raw_path), 0
    with files.writing(target), files.open_input(raw_path) as packed, files.create(target) as plain:
        try:
            for text in _unpacked(packed, suffix):
                size += len(text)
                _require_room(files, target, name, len(text), size, packed_bytes, limits)
                plain.write(text)
        except (*_UNPACKING_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # The disk or the store, not the stream.
            if "too much memory" in str(error):
                raise DropUnreadableError(
                    f"{name}: expected a {suffix} stream with a window of at most 128 MiB, found a "
                    "longer one. Compress it again without --long and deliver that."
                ) from error
            raise DropUnreadableError(
                f"{name}: expected a whole {suffix} stream, found a truncated or damaged one "
                f"after {size} bytes of text ({error}). Deliver the file again."
            ) from error


def _write_lines(
    files: Files, parquet: str, target: str, name: str, source: SourceSpec, limits: UnpackLimits
) -> None:
    """Write the rows of a Parquet file as text; its columns are packed, so no ratio is bounded."""
    limits, size = replace(limits, ratio=float("inf")), 0
    with files.writing(target), files.open_input(parquet) as packed, files.create(target) as plain:
        for text in parquet_lines(packed, name, source):
            size += len(text)
            _require_room(files, target, name, len(text), size, size, limits)
            plain.write(text)


def _require_room(
    files: Files,
    target: str,
    name: str,
    wanted: int,
    size: int,
    packed_bytes: int,
    limits: UnpackLimits,
) -> None:
    """Raise if a text, of which so much is known by now, is more than the limits allow."""
    ratio = size / max(packed_bytes, 1)
    if size > limits.trusted_bytes and ratio > limits.ratio:
        raise DropTooLargeError(
            f"{name}: expected at most {limits.ratio:g} bytes of text for each of its "
            f"{packed_bytes:,} packed bytes, found {size:,} bytes and more. Move it to rejected/, "
            "or, if it is right, raise FRAUD_MAX_UNPACKED_RATIO and materialize it again."
        )
    if size > limits.size_bytes:
        raise DropTooLargeError(
            f"{name}: expected at most {limits.size_bytes:,} bytes of text, found more. Move it to "
            "rejected/, or, if it is right, raise FRAUD_MAX_UNPACKED_GB and materialize it again."
        )
    free = files.free_bytes(target)
    if free is not None and free - wanted < limits.free_bytes:
        raise Outage(
            f"{name}: expected {limits.free_bytes:,} bytes to stay free beside its text, of which "
            f"{size:,} bytes are known, found {free:,} free at {target.rpartition('/')[0]}. Make "
            "room there, or lower FRAUD_MIN_FREE_GB, and run again."
        )


def _unpacked(packed: IO[bytes], suffix: str) -> Iterator[bytes]:
    if suffix == ".xz":
        return _unpacked_xz(packed)
    stream = (
        gzip.GzipFile(fileobj=packed)
        if suffix == ".gz"
        else pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
    )
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def _unpacked_xz(packed: IO[bytes]) -> Iterator[bytes]:
    """Yield the text of all concatenated xz streams, which may be padded with zeros.

    `lzma.LZMAFile` is not used, because it silently ends at a second stream with a damaged header.
    """
    stream, data = None, packed.read(_CHUNK_BYTES)
    while stream is not None or data:
        if stream is None:
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        yield stream.decompress(data, _CHUNK_BYTES)
        data = b""
        if stream.eof:
            data, stream = stream.unused_data.lstrip(b"\0"), None
            while not data and (chunk := packed.read(_CHUNK_BYTES)):
                data = chunk.lstrip(b"\0")
        elif stream.needs_input and not (data := packed.read(_CHUNK_BYTES)):
            raise EOFError("the file ends before its stream does")
