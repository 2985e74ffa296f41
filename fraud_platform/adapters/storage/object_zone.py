"""A zone on any object store that fsspec knows.

Here: listing, reading, files that appear when they are closed.
Not here: S3 (`s3_zone`) and HDFS (`hdfs_zone`), whose files can be gone on with; what errors mean
(`failures`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from fraud_platform.adapters.storage.failures import translated
from fraud_platform.contracts.zones import CHUNK_BYTES, FileInfo, Sink

_ETAGS = ("ETag", "etag", "md5Hash", "content_md5", "checksum")
_TIMES = ("LastModified", "last_modified", "modificationTime", "mtime", "updated", "created")


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
        """Return the objects directly under the prefix, by name; none if there is no prefix."""
        with translated(self.url):
            try:
                self.file_system.invalidate_cache()
                found = self.file_system.ls(self.root, detail=True)
            except FileNotFoundError:
                return []
        infos = [_object_info(entry) for entry in found if entry["type"] == "file"]
        return sorted((i for i in infos if i.name), key=lambda info: info.name)

    def no_files(self) -> Mapping[str, str]:
        """Return nothing: the store has files alone, or folders that are no drop."""
        return {}

    def stat(self, name: str) -> FileInfo | None:
        """Return one object's facts, or None if it is absent."""
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
