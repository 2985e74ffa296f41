"""Zones of files by URL: a local folder, or a prefix of an object store through fsspec.

Here: listing, reading, writing that appears at once, and storage errors told apart: a system that
is away, access that is refused, a file that is not there.
Not here: S3 (`adapters.storage.s3_zone`), HDFS (`adapters.storage.hdfs_zone`), Delta tables
(`adapters.tables.lake`), what a drop is and when it is complete (`fraud_platform.ingest`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from fraud_platform.adapters.storage.access import file_system as open_file_system
from fraud_platform.adapters.storage.access import is_hdfs, is_s3
from fraud_platform.adapters.storage.probing import REFUSED, require_storage
from fraud_platform.errors import DropUnreadableError, Outage, SettingsError
from fraud_platform.ingest.zone import CHUNK_BYTES, FileInfo, Sink, Zone, partial_name

_ETAGS = ("ETag", "etag", "md5Hash", "content_md5", "checksum")
_CLIENTS = ("aiobotocore", "aiohttp", "botocore", "requests", "urllib3")
"""Packages whose exceptions mean that a store did not answer as it should."""
_TIMES = ("LastModified", "last_modified", "modificationTime", "mtime", "updated", "created")


def open_zone(url: str, *, create: bool = False, s3: Any = None) -> Zone:
    """Return the zone behind a URL: a local path, `file://`, or any URL that fsspec knows.

    Args:
        url: For example `/data/landing`, `s3://bucket/landing` or `memory://landing`.
        create: Make a folder that is not there yet.
        s3: boto3's client, as Dagster's S3 resource gives it; one of its own, if None.

    Raises:
        SettingsError: nothing installed here speaks that protocol, or it refuses its options.
    """
    protocol, _, path = url.rpartition("://")
    if protocol in ("", "file"):
        return LocalZone(Path(path).absolute(), create=create)
    require_storage(url)
    if is_s3(url):
        from fraud_platform.adapters.storage.s3_zone import S3Zone

        return S3Zone(url, s3)
    if is_hdfs(url):
        from fraud_platform.adapters.storage.hdfs_zone import HdfsZone

        return HdfsZone(url, create=create)
    file_system, root = open_file_system(url)
    return ObjectZone(url.rstrip("/"), file_system, root.rstrip("/"))


class LocalZone:
    """A local folder. Files appear by rename; an unfinished one is kept, and can be resumed."""

    shows_unfinished = True

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        if create:
            with translated(str(folder)):
                folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The folder's absolute path."""
        return str(self.folder)

    def url_of(self, name: str) -> str:
        """Return a file's absolute path."""
        return str(self.folder / name)

    def list_files(self) -> list[FileInfo]:
        """Return the regular files directly in the folder, by name."""
        with translated(self.url):
            try:
                names = sorted(entry.name for entry in os.scandir(self.folder))
            except FileNotFoundError:
                raise Outage(
                    f"{self.url}: expected a folder, found none. Mount or create it."
                ) from None
        return [info for name in names if (info := self.stat(name)) is not None]

    def stat(self, name: str) -> FileInfo | None:
        """Return one file's facts, or None where there is no such regular file."""
        path = self.folder / name
        with translated(str(path)):
            try:
                found = path.stat()
            except FileNotFoundError:
                return None
            if not path.is_file():
                return None
        # The change time moves too when a tool sets the modification time back.
        version = f"{found.st_mtime_ns}-{found.st_ctime_ns}"
        return FileInfo(name, found.st_size, version, max(found.st_mtime, found.st_ctime))

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `offset` on."""
        path = self.folder / name
        with translated(str(path), reading=True), path.open("rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def put(self, name: str, data: bytes) -> None:
        """Write a small file: synced, then renamed into place."""
        with translated(self.url_of(name)):
            temporary = self.folder / f".{name.lstrip('.')}.{os.getpid()}.tmp"
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
            _sync_folder(self.folder)

    def remove(self, name: str) -> None:
        """Remove a file; absent is fine."""
        with translated(self.url_of(name)):
            (self.folder / name).unlink(missing_ok=True)

    def can_resume(self, name: str, at: int) -> bool:
        """Tell whether the partial file is there and long enough."""
        partial = self.stat(partial_name(name))
        return partial is not None and partial.size_bytes >= at

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start writing a file, keeping the first `resume_at` bytes of an unfinished one."""
        return _LocalSink(self.folder, name, resume_at)

    def free_bytes(self) -> int | None:
        """Return the space left on the folder's disk."""
        with translated(self.url):
            return shutil.disk_usage(self.folder).free


class _LocalSink:
    """A file under its partial name, locked against a second writer until it is published."""

    def __init__(self, folder: Path, name: str, resume_at: int) -> None:
        self.folder, self.target = folder, folder / name
        self.path = folder / partial_name(name)
        with translated(str(self.path)):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            self.file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.file.close()
                raise Outage(
                    f"{self.target}: another process is copying it. Wait until it is done."
                ) from None
            self.file.truncate(resume_at)
            self.file.seek(resume_at)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        left = memoryview(data)
        with translated(str(self.target)):
            while left:
                left = left[self.file.write(left) :]

    def sync(self) -> None:
        """Make durable what was written so far."""
        with translated(str(self.target)):
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Make durable all that was written."""
        self.sync()

    def close(self) -> None:
        """End writing and keep the partial file."""
        self.file.close()

    def publish(self) -> None:
        """Rename the partial file to its name."""
        self.sync()
        with translated(str(self.target)):
            self.path.replace(self.target)
            _sync_folder(self.folder)
        self.file.close()

    def discard(self) -> None:
        """Remove the partial file."""
        with translated(str(self.path)):
            self.path.unlink(missing_ok=True)
        self.file.close()


class ObjectZone:
    """A prefix of an object store through fsspec.

    A put is atomic there: a file appears when its upload is complete. Nothing unfinished is
    visible, so an interrupted copy starts afresh.
    """

    shows_unfinished = False

    def __init__(self, url: str, file_system: Any, root: str) -> None:
        self._url, self.file_system, self.root = url, file_system, root

    @property
    def url(self) -> str:
        """The prefix's URL."""
        return self._url

    def url_of(self, name: str) -> str:
        """Return a file's URL."""
        return f"{self._url}/{name}"

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def list_files(self) -> list[FileInfo]:
        """Return the objects directly under the prefix, by name; none where there is no prefix."""
        with translated(self.url):
            try:
                self.file_system.invalidate_cache()
                found = self.file_system.ls(self.root, detail=True)
            except FileNotFoundError:
                return []
        infos = [_object_info(entry) for entry in found if entry["type"] == "file"]
        return sorted((i for i in infos if i.name), key=lambda info: info.name)

    def stat(self, name: str) -> FileInfo | None:
        """Return one object's facts, or None where it is absent."""
        with translated(self.url_of(name)):
            try:
                self.file_system.invalidate_cache()
                entry = self.file_system.info(self._path(name))
            except FileNotFoundError:
                return None
        return _object_info(entry) if entry["type"] == "file" else None

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield an object's bytes from `offset` on."""
        with (
            translated(self.url_of(name), reading=True),
            self.file_system.open(
                self._path(name), "rb", block_size=CHUNK_BYTES, cache_type="readahead"
            ) as file,
        ):
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def put(self, name: str, data: bytes) -> None:
        """Write a small object."""
        with translated(self.url_of(name)):
            self.file_system.pipe_file(self._path(name), data)

    def remove(self, name: str) -> None:
        """Remove an object; absent is fine."""
        with translated(self.url_of(name)):
            try:
                self.file_system.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def can_resume(self, name: str, at: int) -> bool:
        """Return False: fsspec keeps nothing of an unfinished upload."""
        return False

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start an upload afresh."""
        if resume_at:
            raise ValueError(f"{self.url} cannot resume an upload, asked to from {resume_at}")
        return _ObjectSink(self.url_of(name), self.file_system, self._path(name))

    def free_bytes(self) -> int | None:
        """Return None: an object store has no such limit."""
        return None


class _ObjectSink:
    """One upload that is committed by `publish` alone.

    fsspec commits a file when it is closed, also by an exception in a `with` block; so the upload
    is opened without auto-commit and closed by hand.
    """

    def __init__(self, url: str, file_system: Any, path: str) -> None:
        self.url = url
        with translated(url):
            self.file = file_system.open(path, "wb", block_size=CHUNK_BYTES, autocommit=False)
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Upload bytes."""
        with translated(self.url):
            self.file.write(data)

    def sync(self) -> None:
        """Do nothing: parts are durable once uploaded, and invisible until `publish`."""

    def finish(self) -> None:
        """Do nothing: the last bytes go with `publish`."""

    def close(self) -> None:
        """Abandon the upload."""
        self.discard()

    def publish(self) -> None:
        """Complete the upload, so that the object appears."""
        with translated(self.url):
            self.is_open = False
            self.file.close()
            self.file.commit()

    def discard(self) -> None:
        """Abandon the upload, so that nothing appears."""
        if self.is_open:
            self.is_open = False
            with translated(self.url):
                self.file.discard()
            with suppress(AttributeError):
                # A buffered file flushes when it is collected, unless it counts as closed.
                self.file.closed = True


def _object_info(entry: dict[str, Any]) -> FileInfo:
    time = next((entry[key] for key in _TIMES if entry.get(key) is not None), None)
    tag = next((entry[key] for key in _ETAGS if entry.get(key)), None)
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return FileInfo(
        name=entry["name"].rstrip("/").rpartition("/")[2],
        size_bytes=int(entry["size"]),
        version=str(tag if tag is not None else seconds),
        modified_at=float(seconds) if isinstance(seconds, int | float) else None,
    )


def _sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def translated(url: str, *, reading: bool = False) -> Iterator[None]:
    """Turn a storage client's exceptions into the platform's, leaving `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        refused = f"{url}: access is refused ({error.strerror or error})."
        if reading:
            raise DropUnreadableError(
                f"{refused} Let the platform's user read the file, or send it again."
            ) from None
        raise SettingsError(f"{refused} Give the platform's user access to it.") from None
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _CLIENTS:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Outage(f"{url}: no space left. Make room there and run again.") from None
        code = str(getattr(error, "response", {}).get("Error", {}).get("Code"))
        if code in ("404", "NoSuchKey", "NoSuchUpload"):
            raise FileNotFoundError(url) from None
        if remedy := REFUSED.get(code):
            raise SettingsError(f"{url}: {remedy}.") from None
        if "Credentials" in type(error).__name__:
            raise SettingsError(f"{url}: {error}. Set the storage's credentials.") from None
        raise Outage(
            f"{url}: the storage does not answer as it should ({type(error).__name__}: {error}). "
            "Check that it is up and reachable, then run again."
        ) from error
