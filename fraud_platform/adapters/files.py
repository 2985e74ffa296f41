"""Files as streams of bytes, on this machine or in an object store.

Here: opening, creating and removing single files by URL, from the driver or inside a Spark task
(an instance is pickled to the workers). What is not local goes through fsspec, as zones do.
Not here: tables (`adapters.lake`), zones and what makes a file appear in them (`adapters.storage`).
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit


class ByteFiles:
    """Single files by URL: a path, `file://`, or a scheme that fsspec knows."""

    def open_input(self, url: str) -> IO[bytes]:
        """Open a file for reading, seekable.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := local_path(url)) is not None:
            return local.open("rb", buffering=0)
        filesystem, path = _remote(url)
        return filesystem.open(path, "rb")

    def create(self, url: str) -> IO[bytes]:
        """Open a new file for writing, making its folder where there is none."""
        if (local := local_path(url)) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
            return local.open("wb")
        filesystem, path = _remote(url)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        return filesystem.open(path, "wb")

    def size_bytes(self, url: str) -> int:
        """Return a file's size.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := local_path(url)) is not None:
            return local.stat().st_size
        filesystem, path = _remote(url)
        return filesystem.size(path)

    def remove(self, url: str) -> None:
        """Remove a file; one that is not there is no error."""
        if (local := local_path(url)) is not None:
            local.unlink(missing_ok=True)
            return
        filesystem, path = _remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm_file(path)

    def remove_folder(self, url: str) -> None:
        """Remove a folder with all that is in it; one that is not there is no error."""
        if (local := local_path(url)) is not None:
            shutil.rmtree(local, ignore_errors=True)
            return
        filesystem, path = _remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm(path, recursive=True)


def local_path(url: str) -> Path | None:
    """Return the path that a URL names on this machine, None where it names another place."""
    parts = urlsplit(url)
    if parts.scheme == "":
        return Path(url)
    return Path(parts.path) if parts.scheme == "file" else None


def _remote(url: str) -> tuple[Any, str]:
    """Return fsspec's file system and the path in it."""
    import fsspec

    return fsspec.core.url_to_fs(url)
