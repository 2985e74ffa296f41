"""Opening a raw drop as plain text that tasks can read by byte range.

Here: verifying the file's checksum, decompressing into a scratch folder, reading the header, and
errors for unreadable files.
Not here: the rows (`lines`, `tasks`).

Tasks cannot start to read in the middle of a compressed stream. Therefore it is decompressed once
into a scratch folder of the lake, which every task can reach. The raw zone keeps the original
bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from fraud_platform.cleaning.header import HEADER_LIMIT_BYTES, Header, read_header
from fraud_platform.contracts.drops import COMPRESSIONS
from fraud_platform.errors import DropChangedError, DropUnreadableError

if TYPE_CHECKING:
    from fraud_platform.adapters.storage.files import ByteFiles

_CHUNK_BYTES = 1 << 20
_UNPACKING_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, pa.ArrowException)


@dataclass(frozen=True)
class RawText:
    """A drop's text and its header."""

    url: str
    size_bytes: int
    header: Header


@contextmanager
def open_text(files: ByteFiles, raw_path: str, scratch: str) -> Iterator[RawText]:
    """Yield a drop as plain text; a decompressed copy in `scratch` is removed at the end.

    Raises:
        DropUnreadableError: there is no such file, it is empty, or its stream is broken.
        DropHeaderError: its header differs from the contract.
    """
    name = raw_path.rsplit("/", 1)[-1]
    suffix = next((s for s in COMPRESSIONS if name.endswith(s)), None)
    url = raw_path if suffix is None else f"{scratch}/text"
    try:
        try:
            if suffix is not None:
                _unpack(files, raw_path, url, suffix)
            text = _read_text(files, url, name)
        except FileNotFoundError:
            raise DropUnreadableError(
                f"{raw_path}: expected a raw drop, found no file. Materialize raw_drops again."
            ) from None
        yield text
    finally:
        if suffix is not None:
            files.remove(url)


@contextmanager
def holding_still(files: ByteFiles, raw_path: str, sha256: str, remedy: str) -> Iterator[None]:
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


def sha256_of(files: ByteFiles, url: str) -> str:
    """Return a file's SHA-256 in hex, or the text `no file` if it is missing."""
    digest = hashlib.sha256()
    try:
        with files.open_input(url) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return "no file"
    return digest.hexdigest()


def _read_text(files: ByteFiles, url: str, name: str) -> RawText:
    with files.open_input(url) as file:
        header = read_header(file.read(HEADER_LIMIT_BYTES), name)
    return RawText(url, files.size_bytes(url), header)


def _unpack(files: ByteFiles, raw_path: str, target: str, suffix: str) -> None:
    name = raw_path.rsplit("/", 1)[-1]
    with files.open_input(raw_path) as packed, files.create(target) as plain:
        try:
            for text in _unpacked(packed, suffix):
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
                f"after {plain.tell()} bytes of text ({error}). Deliver the file again."
            ) from error


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
