"""Temporary folders of tests in memory, if the machine has room for them.

Here: choosing the root of pytest's temporary folders.
Not here: fixtures that use them (`conftest` of each folder of tests).

SQLite, Kafka and the platform's own files wait for the disk at each commit. No test judges what
survives a power failure, so tests may wait for memory instead: 2.4 us for each fsync, not 4 ms.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 4 << 30
"""Free memory that a run of all tests needs at most, with the data of brokers and lakes."""
_ROOT = "PYTEST_DEBUG_TEMPROOT"


def use_memory(environment: MutableMapping[str, str], memory: Path = MEMORY) -> None:
    """Let pytest create its temporary folders in memory, unless a person chose another root.

    A container often has 64 MB of shared memory, or forbids programs in it; the folders then stay
    on disk.
    """
    if _ROOT not in environment and "TMPDIR" not in environment and has_room(memory):
        environment[_ROOT] = str(memory)


def has_room(memory: Path, needed_bytes: int | None = None) -> bool:
    """Return whether a folder is writable, has so much room, and programs in it may run."""
    if not os.access(memory, os.W_OK | os.X_OK):
        return False
    may_run = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    return may_run and shutil.disk_usage(memory).free >= (needed_bytes or NEEDED_BYTES)
