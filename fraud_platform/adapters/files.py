"""Files as streams of bytes, on this machine or in an object store.

Here: opening, creating and removing single files by URL, from the driver or inside a Spark task
(an instance is pickled to the workers). What is not local goes through the object store client
that the lake's tables use, with the same variables (`AWS_*`), so both reach the same places.
Not here: tables (`adapters.lake`), copying between zones (`adapters.storage`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


class ByteFiles:
    """Single files by URL: a path, `file://`, or a scheme that the lake's object store knows."""

    def open_input(self, url: str) -> IO[bytes]:
        """Open a file for reading, seekable.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := _local_path(url)) is not None:
            return local.open("rb", buffering=0)
        filesystem, path = _remote(url)
        return filesystem.open_input_file(path)

    def create(self, url: str) -> IO[bytes]:
        """Open a new file for writing, making its folder where there is none."""
        if (local := _local_path(url)) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
            return local.open("wb")
        filesystem, path = _remote(url)
        return filesystem.open_output_stream(path)

    def size_bytes(self, url: str) -> int:
        """Return a file's size.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := _local_path(url)) is not None:
            return local.stat().st_size
        filesystem, path = _remote(url)
        info = filesystem.get_file_info(path)
        if not info.is_file:
            raise FileNotFoundError(url)
        return info.size

    def remove(self, url: str) -> None:
        """Remove a file; one that is not there is no error."""
        if (local := _local_path(url)) is not None:
            local.unlink(missing_ok=True)
            return
        filesystem, path = _remote(url)
        if filesystem.get_file_info(path).is_file:
            filesystem.delete_file(path)

    def remove_folder(self, url: str) -> None:
        """Remove a folder with all that is in it; one that is not there is no error."""
        if (local := _local_path(url)) is not None:
            shutil.rmtree(local, ignore_errors=True)
            return
        from pyarrow.fs import FileSelector

        filesystem, path = _remote(url)
        for info in filesystem.get_file_info(
            FileSelector(path, allow_not_found=True, recursive=True)
        ):
            if info.is_file:
                filesystem.delete_file(info.path)


def _local_path(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.scheme == "":
        return Path(url)
    return Path(parts.path) if parts.scheme == "file" else None


def _remote(url: str) -> tuple[FileSystem, str]:
    """Return a file system rooted at the URL's bucket or host, and the path inside it."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    parts = urlsplit(url.replace("s3a://", "s3://", 1))
    root = f"{parts.scheme}://{parts.netloc}"
    return PyFileSystem(DeltaStorageHandler(root)), parts.path.lstrip("/")
