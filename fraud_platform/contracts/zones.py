"""What ingest asks of a storage location: a flat folder of files behind a URL.

Here: the protocols, and the two facts about a file that ingest works with.
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
    """A file as a listing shows it.

    Attributes:
        name: File name, relative to its zone.
        size_bytes: Size.
        version: What changes with the content and costs no read: an ETag, or the times of last
            change. Equal versions mean equal content; differing versions may still be equal.
        modified_at: Time of last change, seconds since the epoch (UTC), where the store says it.
    """

    name: str
    size_bytes: int
    version: str
    modified_at: float | None = None

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that stand for this name, size and version."""
        identity = f"{self.name}\n{self.size_bytes}\n{self.version}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


class Sink(Protocol):
    """One file being written; nothing is visible under its name until `publish`."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def sync(self) -> None:
        """Make durable what was written so far, where the store can."""

    def finish(self) -> None:
        """End writing for good: all that was written is durable."""

    def close(self) -> None:
        """Leave off, and keep what can be resumed."""

    def publish(self) -> None:
        """Make the whole file appear under its name at once, replacing an older one."""

    def discard(self) -> None:
        """Forget what was written."""


class Zone(Protocol):
    """A flat folder of files behind a URL.

    Every method raises `Outage` where the storage does not answer, `SettingsError` where it
    refuses access to the zone, and `FileNotFoundError` for a name that is not there.
    """

    @property
    def url(self) -> str:
        """The zone's URL, without a slash at its end."""

    @property
    def shows_unfinished(self) -> bool:
        """Whether an unfinished file can be read, as `partial_name` of its name."""

    def can_resume(self, name: str, at: int) -> bool:
        """Tell whether an unfinished file outlived its writer with at least its first bytes."""

    def url_of(self, name: str) -> str:
        """Return the URL of a file in the zone."""

    def list_files(self) -> list[FileInfo]:
        """Return the files directly in the zone, by name."""

    def no_files(self) -> Mapping[str, str]:
        """Return what is directly in the zone and is no file: its kind by name.

        A kind is `FOLDER` or, in words, what it is instead.
        """

    def stat(self, name: str) -> FileInfo | None:
        """Return one file's facts, or None where it is absent."""

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `offset` on, in chunks of at most `CHUNK_BYTES`."""

    def put(self, name: str, data: bytes) -> None:
        """Write a small file at once: readers see the old bytes or the new."""

    def remove(self, name: str) -> None:
        """Remove a file; absent is fine."""

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start writing a file, keeping the first bytes of an unfinished one (see `can_resume`)."""

    def free_bytes(self) -> int | None:
        """Return the space left, or None where the store has no such limit."""


def partial_name(name: str) -> str:
    """Return the name under which an unfinished file waits in a resumable zone."""
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
