"""Files that appear whole or not at all.

Here: writing under a hidden name, syncing, renaming; compressing on the way.
Not here: what is written (`lines`, `truth`).
"""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from fraud_platform.simulation.config import DropLayout
from fraud_platform.simulation.lines import BYTE_ORDER_MARK, header_line

_GZIP_LEVEL, _XZ_PRESET, _ZSTD_LEVEL = 4, 1, 3


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


def _part_of(path: Path) -> Path:
    """Return the hidden name under which a file grows; the same for every attempt."""
    return path.with_name(f".{path.name}.part")


def remove_part(path: Path) -> None:
    """Remove what an interruption left under a file's hidden name.

    Ctrl-C may come before a file's `with` block is entered, or within what ends it.
    """
    _part_of(path).unlink(missing_ok=True)


def _put_in_place(part: Path, path: Path) -> None:
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def replace_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` make a file under a hidden name, then give it its own name.

    Args:
        path: the file's name; a file that has it is replaced.
        write: writes the whole file to the path that it is called with.
    """
    part = _part_of(path)
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)


class DropFile(AbstractContextManager["DropFile"]):
    """A drop that is written block by block and appears when the `with` block ends well.

    Args:
        path: the drop's name.
        layout: gives header, byte order mark, line ending and compression.
    """

    def __init__(self, path: Path, layout: DropLayout) -> None:
        self._path, self._layout = path, layout
        self._part = _part_of(path)
        self._ending = layout.line_ending.encode()
        self._file: IO[bytes] = self._part.open("wb")
        self._sink = _compressed(self._file, layout.compression)
        if layout.byte_order_mark:
            self._sink.write(BYTE_ORDER_MARK)
        # One block is held back: the last one may lose its line ending.
        self._held = header_line(layout) + self._ending

    def write(self, block: bytes) -> None:
        """Add whole lines, each with its ending."""
        self._sink.write(self._held)
        self._held = block

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        last = self._held
        self._sink.write(last if self._layout.final_newline else last.removesuffix(self._ending))
        if self._sink is not self._file:
            self._sink.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        _put_in_place(self._part, self._path)


def _compressed(file: IO[bytes], compression: str) -> _Sink:
    """Return a sink that compresses into `file`, the same bytes for the same text."""
    if compression == ".gz":
        return gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)
    if compression == ".xz":
        return lzma.LZMAFile(file, "wb", preset=_XZ_PRESET)
    if compression == ".zst":
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(file, closefd=False)
    return file
