"""A raw drop as plain text that tasks can read by byte range.

Here: that the file is the content it is taken for, unpacking compressed drops into scratch, the
header, and what is unreadable said in words.
Not here: the rows (`lines`, `tasks`).

A compressed stream cannot be entered in its middle, so it is unpacked once beside the lake's
tables, where every task can reach it; the raw zone keeps the bytes that came.
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
    """Give a drop as plain text, unpacked under `scratch` for as long as the context lasts.

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
    """Require that a raw file has this content, and has it still where the context ends.

    It is read whole before, at 1 to 2 GB/s, and again behind only where its version moved.

    Raises:
        DropUnreadableError: it has another content, or there is no such file.
        DropChangedError: it has another content at the end.
    """
    version = files.version(raw_path)
    if (found := sha256_of(files, raw_path)) != sha256:
        raise DropUnreadableError(f"{raw_path}: expected SHA-256 {sha256}, found {found}. {remedy}")
    yield
    if files.version(raw_path) != version and (found := sha256_of(files, raw_path)) != sha256:
        raise DropChangedError(
            f"{raw_path}: expected SHA-256 {sha256} until it was cleaned, found {found}: it was "
            "replaced meanwhile and nothing was published. Run it again."
        )


def sha256_of(files: ByteFiles, url: str) -> str:
    """Return a file's SHA-256 in hex, or `no file`."""
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
                    "longer one. Pack it again without --long and deliver that."
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
    """Yield the text of all streams; zeros may pad them.

    `lzma.LZMAFile` takes a second stream whose header is damaged for the end of the file.
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
