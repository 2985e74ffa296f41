"""The interface of a storage location: a flat folder of files at a URL.

Here: the protocols `Zone` and `Sink`, and the description of a file.
Not here: their implementations over disk and object stores
(`fraud_platform.adapters.storage.zones`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 8 << 20
FOLDER = "folder"


@dataclass(frozen=True)
class FileInfo:
    """The description of a file in a listing.

    Attributes:
        name: File name, relative to its zone.
        size_bytes: Size.
        version: Changes with the content and needs no read: an ETag, or the times of last change.
            Equal versions mean equal content; different versions may still have equal content.
        modified_at: Time of last change, seconds since the epoch (UTC), if the store reports it.
    """

    name: str
    size_bytes: int
    version: str
    modified_at: float | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of name, size and version, sixteen hex digits."""
        identity = f"{self.name}\n{self.size_bytes}\n{self.version}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


class Sink(Protocol):
    """A file that is being written; it is not visible under its name until `publish`."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def sync(self) -> None:
        """Make everything written so far durable, if the store can."""

    def finish(self) -> None:
        """End writing and make everything durable."""

    def close(self) -> None:
        """Stop writing and keep everything that can be resumed."""

    def publish(self) -> None:
        """Make the file appear under its name atomically, replacing an older one."""

    def discard(self) -> None:
        """Remove everything written."""


class Zone(Protocol):
    """A flat folder of files at a URL.

    Every method raises `Outage` if the storage does not answer, `SettingsError` if it refuses
    access to the zone, and `FileNotFoundError` if a file does not exist.
    """

    @property
    def url(self) -> str:
        """The zone's URL, without a trailing slash."""

    @property
    def shows_unfinished(self) -> bool:
        """Whether an unfinished file can be read, as `partial_name` of its name."""

    def can_resume(self, name: str, at: int) -> bool:
        """Return whether an unfinished file exists and can be continued at byte `at`."""

    def url_of(self, name: str) -> str:
        """Return the URL of a file in the zone."""

    def list_files(self) -> list[FileInfo]:
        """Return the files directly in the zone, by name."""

    def no_files(self) -> Mapping[str, str]:
        """Return what is directly in the zone and is no file: its kind by name.

        A kind is `FOLDER` or, in words, what it is instead.
        """

    def stat(self, name: str) -> FileInfo | None:
        """Return the description of a file, or None if it does not exist."""

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `offset`, in chunks of at most `CHUNK_BYTES`."""

    def put(self, name: str, data: bytes) -> None:
        """Write a small file atomically: readers see the old or the new bytes."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start writing a file, or continue an unfinished one at `resume_at` (see `can_resume`)."""

    def free_bytes(self) -> int | None:
        """Return the free space, or None if the store does not report a limit."""


def partial_name(name: str) -> str:
    """Return the name of an unfinished file in a zone that shows unfinished files."""
    return f".{name}.partial"


def read_whole(zone: Zone, name: str) -> bytes:
    """Return all bytes of a small file."""
    return b"".join(zone.read(name))


def sha256_of(zone: Zone, name: str) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    for chunk in zone.read(name):
        digest.update(chunk)
    return digest.hexdigest()
