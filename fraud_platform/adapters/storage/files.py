"""Files as streams of bytes, on this machine or in an object store.

Here: opening, creating and removing single files by URL, from the driver or inside a Spark task
(an instance is pickled to the workers). What is not local goes through fsspec, as zones do.
Not here: tables (`adapters.tables.lake`), zones and what makes a file appear in them
(`adapters.storage.zones`).
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.access import S3Access, file_system, is_hdfs, is_s3
from fraud_platform.adapters.storage.failures import translated

_BUFFER_BYTES = 4 << 20
_VERSIONS = ("ETag", "LastModified", "modification_time", "mtime", "created")
"""What S3, HDFS and fsspec's other file systems say of a file's last change."""


class ByteFiles:
    """Single files by URL: a path, `file://`, or a scheme that fsspec knows.

    Pickled to a task it takes along how S3 is reached from here, whose variables are not there.
    """

    def __init__(self) -> None:
        self._s3: S3Access | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_s3": self._s3 or S3Access.from_variables()}

    def open_input(self, url: str) -> IO[bytes]:
        """Open a file for reading, seekable.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := local_path(url)) is not None:
            return local.open("rb", buffering=0)
        filesystem, path = self._remote(url)
        if is_hdfs(url):
            return io.BufferedReader(_HdfsFile(filesystem.open(path, "rb")), _BUFFER_BYTES)
        return filesystem.open(path, "rb")

    def create(self, url: str) -> IO[bytes]:
        """Open a new file for writing, making its folder where there is none."""
        if (local := local_path(url)) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
            return local.open("wb")
        filesystem, path = self._remote(url)
        if not is_s3(url):  # which has no folders; s3fs would make a bucket
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        file = filesystem.open(path, "wb")
        return io.BufferedWriter(file, _BUFFER_BYTES) if is_hdfs(url) else file

    @contextmanager
    def writing(self, url: str) -> Iterator[None]:
        """Say what a storage's errors mean while a file is written.

        Raises:
            Outage: there is no space left, or the storage does not answer.
            SettingsError: it refuses access.
        """
        with translated(url):
            yield

    def free_bytes(self, url: str) -> int | None:
        """Return the space left where a file of this machine lies; None where nothing says it."""
        local = local_path(url)
        if local is None:
            return None
        folder = next((f for f in local.parents if f.exists()), None)
        return None if folder is None else shutil.disk_usage(folder).free

    def size_bytes(self, url: str) -> int:
        """Return a file's size.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := local_path(url)) is not None:
            return local.stat().st_size
        filesystem, path = self._remote(url)
        return filesystem.size(path)

    def version(self, url: str) -> str:
        """Return what moves when a file's content does and costs no read; "" for no file."""
        try:
            if (local := local_path(url)) is not None:
                found = local.stat()
                return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
            filesystem, path = self._remote(url)
            filesystem.invalidate_cache()
            entry = filesystem.info(path)
        except FileNotFoundError:
            return ""
        return "-".join(str(entry.get(name)) for name in ("size", *_VERSIONS))

    def remove(self, url: str) -> None:
        """Remove a file; one that is not there is no error."""
        if (local := local_path(url)) is not None:
            local.unlink(missing_ok=True)
            return
        filesystem, path = self._remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm_file(path)

    def remove_folder(self, url: str) -> None:
        """Remove a folder with all that is in it; one that is not there is no error."""
        if (local := local_path(url)) is not None:
            shutil.rmtree(local, ignore_errors=True)
            return
        filesystem, path = self._remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm(path, recursive=True)

    def _remote(self, url: str) -> tuple[Any, str]:
        return file_system(url, self._s3)


class _HdfsFile(io.RawIOBase):
    """A file of hdfs_native as Python's buffers want it: its own `seek` says not where it is."""

    def __init__(self, reader: Any) -> None:
        self._reader, self._at = reader, 0
        self._size = len(reader)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = min(max(start + offset, 0), self._size)
        self._reader.seek(self._at)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._reader.read(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def local_path(url: str) -> Path | None:
    """Return the path that a URL names on this machine, None where it names another place."""
    parts = urlsplit(url)
    if parts.scheme == "":
        return Path(url)
    return Path(parts.path) if parts.scheme == "file" else None
