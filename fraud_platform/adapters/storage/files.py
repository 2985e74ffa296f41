"""Files as streams of bytes, on this machine or in an object store.

Here: opening, creating and removing single files by URL, on the driver or in a Spark task (an
instance is pickled to the workers). Files that are not local are accessed through fsspec.
Not here: tables (`adapters.tables.lake`), zones and their atomic writes (`adapters.storage.zones`).
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from fraud_platform.adapters.storage.failures import translated
from fraud_platform.adapters.storage.schemes import SCHEMES, local_path, scheme_of

_BUFFER_BYTES = 4 << 20
_VERSIONS = ("ETag", "LastModified", "modification_time", "mtime", "created")
"""Names of a file's version or last change in S3, HDFS and fsspec's other file systems."""


class ByteFiles:
    """Single files by URL: a path, `file://`, or a scheme that fsspec supports.

    When it is pickled to a task, it includes the driver's access to each scheme, because executors
    do not have its environment variables.
    """

    def __init__(self) -> None:
        self._access: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_access": self._access or {scheme.name: scheme.access() for scheme in SCHEMES}}

    def open_input(self, url: str) -> IO[bytes]:
        """Open a file for reading, seekable.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if (local := local_path(url)) is not None:
            return local.open("rb", buffering=0)
        filesystem, path = self._remote(url)
        if scheme_of(url).is_raw:
            return io.BufferedReader(_HdfsFile(filesystem.open(path, "rb")), _BUFFER_BYTES)
        return filesystem.open(path, "rb")

    def create(self, url: str) -> IO[bytes]:
        """Open a new file for writing; its folder is created if it is missing."""
        if (local := local_path(url)) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
            return local.open("wb")
        filesystem, path = self._remote(url)
        if scheme_of(url).has_folders:
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        file = filesystem.open(path, "wb")
        return io.BufferedWriter(file, _BUFFER_BYTES) if scheme_of(url).is_raw else file

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
        """Return the space left where a file of this machine lies; None if nothing says it."""
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
        """Return a text that changes with a file's content, without reading it; "" if missing."""
        try:
            if (local := local_path(url)) is not None:
                status = local.stat()
                return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
            filesystem, path = self._remote(url)
            filesystem.invalidate_cache()
            entry = filesystem.info(path)
        except FileNotFoundError:
            return ""
        return "-".join(str(entry.get(name)) for name in ("size", *_VERSIONS))

    def remove(self, url: str) -> None:
        """Remove a file, if it exists."""
        if (local := local_path(url)) is not None:
            local.unlink(missing_ok=True)
            return
        filesystem, path = self._remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm_file(path)

    def remove_folder(self, url: str) -> None:
        """Remove a folder with its content, if it exists."""
        if (local := local_path(url)) is not None:
            shutil.rmtree(local, ignore_errors=True)
            return
        filesystem, path = self._remote(url)
        with suppress(FileNotFoundError):
            filesystem.rm(path, recursive=True)

    def _remote(self, url: str) -> tuple[Any, str]:
        scheme = scheme_of(url)
        return scheme.file_system(url, self._access.get(scheme.name))


class _HdfsFile(io.RawIOBase):
    """A raw stream on a file of hdfs_native, whose `seek` does not return the position."""

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
