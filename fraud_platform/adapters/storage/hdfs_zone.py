"""A zone on HDFS, through its native protocol, without a JVM.

Here: listing, reading, publishing files by rename, continuing unfinished files by append.
Not here: other zones (`zones`), translating errors in general (`failures`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.access import hdfs_options
from fraud_platform.adapters.storage.answers import require_hdfs
from fraud_platform.adapters.storage.failures import first_line, translated
from fraud_platform.contracts.zones import CHUNK_BYTES, FileInfo, Sink, partial_name
from fraud_platform.errors import Outage

RECOVERY_SECONDS = 60.0
"""Time limit until a file of a dead writer can be appended to."""


class HdfsZone:
    """A folder on HDFS. Files appear by rename; an unfinished file is kept and can be resumed."""

    shows_unfinished = True

    def __init__(self, url: str, *, create: bool = False) -> None:
        from hdfs_native import Client

        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        self._folder = parts.path or "/"
        with _reaching(self._url):
            self._client = Client(f"hdfs://{parts.netloc}", hdfs_options())
            if create:
                self._client.mkdirs(self._folder, 0o755, True)

    @property
    def url(self) -> str:
        """The folder's URL."""
        return self._url

    def url_of(self, name: str) -> str:
        """Return a file's URL."""
        return f"{self._url}/{name}"

    def list_files(self) -> list[FileInfo]:
        """Return the files directly in the folder, by name."""
        with _reaching(self._url):
            try:
                found = [s for s in self._client.list_status(self._folder, False) if not s.isdir]
            except FileNotFoundError:
                raise Outage(f"{self._url}: expected a folder, found none. Create it.") from None
        return sorted((_info(status) for status in found), key=lambda info: info.name)

    def no_files(self) -> Mapping[str, str]:
        """Return nothing: the store has files alone, or folders that are no drop."""
        return {}

    def stat(self, name: str) -> FileInfo | None:
        """Return the description of a file, or None if it does not exist."""
        with _reaching(self.url_of(name)):
            try:
                status = self._client.get_file_info(self._path(name))
            except FileNotFoundError:
                return None
        return None if status.isdir else _info(status)

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `offset` on."""
        with _reaching(self.url_of(name), reading=True):
            reader = self._client.read(self._path(name))
            reader.seek(offset)
            while chunk := reader.read(CHUNK_BYTES):
                yield chunk

    def put(self, name: str, data: bytes) -> None:
        """Write a small file, then rename it into place."""
        temporary = f".{name.lstrip('.')}.{os.getpid()}.tmp"
        with _reaching(self.url_of(name)):
            writer = self._create(temporary)
            try:
                writer.write(data)
                writer.close()
            finally:
                _let_go(writer)
            self._client.rename(self._path(temporary), self._path(name), True)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with _reaching(self.url_of(name)):
            try:
                self._client.delete(self._path(name), False)
            except FileNotFoundError:
                return

    def can_resume(self, name: str, at: int) -> bool:
        """Return whether the partial file is long enough; a dead writer's lease is released."""
        if self.stat(partial_name(name)) is None:
            return False
        self._recover(name)
        partial = self.stat(partial_name(name))
        return partial is not None and partial.size_bytes >= at

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start writing a file, or continue an unfinished one at byte `resume_at`."""
        partial = partial_name(name)
        with _reaching(self.url_of(name)):
            if not resume_at:
                return _HdfsSink(self._client, self.url_of(name), self._create(partial), 0)
            length = self._client.get_file_info(self._path(partial)).length
            writer = self._client.append(self._path(partial))
        return _HdfsSink(self._client, self.url_of(name), writer, length - resume_at)

    def free_bytes(self) -> int | None:
        """Return None: HDFS reports missing space only when a file is written."""
        return None

    def _path(self, name: str) -> str:
        return f"{self._folder.rstrip('/')}/{name}"

    def _create(self, name: str) -> Any:
        from hdfs_native import WriteOptions

        return self._client.create(self._path(name), WriteOptions(overwrite=True))

    def _recover(self, name: str) -> None:
        """Wait until HDFS has closed the partial file that a dead writer left open."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        with _reaching(self.url_of(name)):
            while not self._client.recover_lease(self._path(partial_name(name))):
                if time.monotonic() > deadline:
                    raise Outage(
                        f"{self.url_of(name)}: expected HDFS to close the unfinished file within "
                        f"{RECOVERY_SECONDS:.0f} s, found it open. Check its datanodes."
                    )
                time.sleep(0.25)


class _HdfsSink:
    """A file under its partial name.

    Args:
        client: the HDFS client.
        url: URL of the file.
        writer: the open writer of the partial file.
        surplus: bytes in the file after the position where writing continues. They are not written
            again, because they cannot be truncated here; they are verified with the rest.
    """

    def __init__(self, client: Any, url: str, writer: Any, surplus: int) -> None:
        self._client, self._url, self._writer = client, url, writer
        self._surplus, self._is_open = surplus, True
        self._target = urlsplit(url).path
        folder, _, name = self._target.rpartition("/")
        self._partial = f"{folder}/{partial_name(name)}"

    def write(self, data: bytes) -> None:
        """Append bytes."""
        skipped = min(self._surplus, len(data))
        self._surplus -= skipped
        left = memoryview(data)[skipped:]
        with _reaching(self._url):
            while left:
                left = left[self._writer.write(bytes(left)) :]

    def sync(self) -> None:
        """Make everything written so far durable."""
        with _reaching(self._url):
            self._writer.hsync()

    def finish(self) -> None:
        """Close the file; only closing reports its length to the namenode."""
        if self._is_open:
            self._is_open = False
            try:
                with _reaching(self._url):
                    self._writer.close()
            finally:
                _let_go(self._writer)

    def close(self) -> None:
        """Stop writing and keep the partial file; HDFS closes it later if this fails."""
        with suppress(Outage):
            if self._is_open:
                # A failed write has already waited for the namenode; closing would wait again.
                require_hdfs(self._url)
            self.finish()
        self._is_open = False
        _let_go(self._writer)

    def publish(self) -> None:
        """Rename the partial file to its name."""
        self.finish()
        with _reaching(self._url):
            self._client.rename(self._partial, self._target, True)

    def discard(self) -> None:
        """Remove the partial file."""
        self.close()
        with _reaching(self._url):
            self._client.delete(self._partial, False)


def _let_go(writer: Any) -> None:
    """Prevent the writer's destructor from closing it again, which could wait for the namenode."""
    writer.close = lambda: None


@contextmanager
def _reaching(url: str, *, reading: bool = False) -> Iterator[None]:
    """Translate the client's errors; it raises errors of the namenode as RuntimeError."""
    with translated(url, reading=reading):
        try:
            yield
        except RuntimeError as error:
            raise Outage(
                f"{url}: HDFS refuses: {first_line(error)[:400]}. Check its free space and its "
                "datanodes, then run again."
            ) from error


def _info(status: Any) -> FileInfo:
    name = str(status.path).rstrip("/").rpartition("/")[2]
    time_ms = int(status.modification_time)
    return FileInfo(name, int(status.length), str(time_ms), time_ms / 1000)
