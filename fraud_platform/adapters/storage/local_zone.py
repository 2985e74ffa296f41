"""A zone in a folder of this machine.

Here: listing, reading, publishing files by rename, continuing unfinished files.
Not here: other zones (`zones`), translating errors (`failures`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from fraud_platform.adapters.storage.failures import translated
from fraud_platform.contracts.drops import printable
from fraud_platform.contracts.zones import CHUNK_BYTES, FOLDER, FileInfo, Sink, partial_name
from fraud_platform.errors import DropUnreadableError, Outage


class LocalZone:
    """A local folder. Files appear by rename; an unfinished file is kept and can be resumed."""

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

    def no_files(self) -> Mapping[str, str]:
        """Return links, folders, pipes and devices by name, with what each is."""
        with translated(self.url):
            return {
                entry.name: _kind(entry.stat(follow_symlinks=False).st_mode)
                for entry in os.scandir(self.folder)
                if not entry.is_file(follow_symlinks=False)
            }

    def stat(self, name: str) -> FileInfo | None:
        """Return a regular file's description; None for a missing file or a link."""
        path = self.folder / name
        with translated(str(path)):
            try:
                found = path.lstat()
            except FileNotFoundError:
                return None
            if not stat.S_ISREG(found.st_mode):
                return None
        # The change time moves too when a tool sets the modification time back.
        version = f"{found.st_mtime_ns}-{found.st_ctime_ns}"
        return FileInfo(name, found.st_size, version, max(found.st_mtime, found.st_ctime))

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `offset` on."""
        path = self.folder / name
        with translated(str(path), reading=True), _opened(path) as file:
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
        """Remove a file, if it exists."""
        with translated(self.url_of(name)):
            (self.folder / name).unlink(missing_ok=True)

    def can_resume(self, name: str, at: int) -> bool:
        """Return whether the partial file exists and is long enough."""
        partial = self.stat(partial_name(name))
        return partial is not None and partial.size_bytes >= at

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start writing a file, or continue an unfinished one at byte `resume_at`."""
        return _LocalSink(self.folder, name, resume_at)

    def free_bytes(self) -> int | None:
        """Return the free space on the folder's disk."""
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
        """Make everything written so far durable."""
        with translated(str(self.target)):
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Make everything written durable."""
        self.sync()

    def close(self) -> None:
        """Stop writing and keep the partial file."""
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


def _opened(path: Path) -> BinaryIO:
    """Open a regular file for reading; a link or a pipe that took its place is refused.

    Raises:
        DropUnreadableError: it is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _no_file(path, "link") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _no_file(path, _kind(mode))
    return open(descriptor, "rb", buffering=0)  # noqa: PTH123 - a descriptor, not a path


def _no_file(path: Path, kind: str) -> DropUnreadableError:
    return DropUnreadableError(
        f"{path.parent}: expected a file under {printable(path.name)}, found a {kind}. Put a copy "
        "of the file in its place, or move it away."
    )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "link", stat.S_IFDIR: FOLDER, stat.S_IFIFO: "pipe"}
    return kinds.get(stat.S_IFMT(mode), "device or socket")


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
