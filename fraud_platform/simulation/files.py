"""Atomic file writing: a file is either complete or absent.

Here: writing under a hidden name, compressing, syncing, renaming.
Not here: the content (`lines`, `truth`).
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
    """Return the hidden name used while a file is written; the same for every attempt."""
    return path.with_name(f".{path.name}.part")


def remove_part(path: Path) -> None:
    """Remove an unfinished file that an interruption left under the hidden name of `path`.

    Needed because Ctrl-C can arrive before the `with` block of `DropFile` is entered, or while
    it exits.
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
    """Let `write` create a file under a hidden name, then sync it and rename it to `path`.

    Args:
        path: final path; an existing file is replaced.
        write: writes the whole file to the path passed to it.
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
    """A drop written block by block; it appears when the `with` block ends without an error.

    Args:
        path: path of the drop.
        layout: header spelling, byte order mark, line ending and compression.
    """

    def __init__(self, path: Path, layout: DropLayout) -> None:
        self._path, self._layout = path, layout
        self._part = _part_of(path)
        self._ending = layout.line_ending.encode()
        self._file: IO[bytes] = self._part.open("wb")
        self._sink = _compressed(self._file, layout.compression)
        if layout.byte_order_mark:
            self._sink.write(BYTE_ORDER_MARK)
        # Hold one block back: the last one may have to drop its line ending.
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
    """Return a sink that compresses into `file`; the same text always gives the same bytes."""
    if compression == ".gz":
        return gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)
    if compression == ".xz":
        return lzma.LZMAFile(file, "wb", preset=_XZ_PRESET)
    if compression == ".zst":
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(file, closefd=False)
    return file
