"""A landing zone with one drop, read in chunks, that can be changed during the read.

Here: the drop, the zones.
Not here: copying (`fraud_platform.ingest.copying`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from fraud_platform.adapters.storage.local_zone import LocalZone

DROP = "2018-04-01.txt"


CONTENT = random.Random(7).randbytes(50_000)


SHA256 = hashlib.sha256(CONTENT).hexdigest()


CHUNK = 1_000


class MeddledZone(LocalZone):
    """A landing in which something happens after some chunks were read."""

    def __init__(self, folder: Path, after_chunks: int, meddle: Callable[[], None]) -> None:
        super().__init__(folder)
        self.after_chunks, self.meddle = after_chunks, meddle
        self.offsets: list[int] = []

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        if name == DROP:
            self.offsets.append(offset)
        for count, chunk in enumerate(super().read(name, offset)):
            if count == self.after_chunks and name == DROP:
                self.meddle()
            yield chunk


def names(zone: LocalZone) -> list[str]:
    return sorted(path.name for path in zone.folder.iterdir())
