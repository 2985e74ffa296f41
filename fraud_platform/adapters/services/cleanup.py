"""What would grow without end on this machine: logs, scratch folders, archives of older code.

Here: a log kept below a size while its program goes on writing; a scratch folder for each process;
removing what processes that have ended left.
Not here: Dagster's runs and their files (`defs.automation.retention`), tables
(`adapters.tables.compaction`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from fraud_platform.contracts.time import SECONDS_PER_DAY

MOST_LOG_BYTES = 50_000_000
"""A log above this moves to NAME.1, in place of the one before, and begins again."""
_KEPT_ARCHIVES = 3
_CLOCK_SECONDS = 2.0


def bound_logs(folder: Path, most_bytes: int = MOST_LOG_BYTES) -> Iterator[str]:
    """Empty the logs that have grown too long, the end of each kept beside it; yield their names.

    The programs keep their files open and append, so that what they write next begins the file.
    What a program writes between the copy and the cut, a few lines at most, is lost.
    """
    for log in sorted(folder.glob("*.log")):
        if log.stat().st_size <= most_bytes:
            continue
        part = log.with_name(f"{log.name}.part")
        with log.open("rb") as source, part.open("wb") as sink:
            source.seek(-most_bytes, os.SEEK_END)
            shutil.copyfileobj(source, sink)
        part.replace(log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
        yield log.name


def scratch_folder(home: Path) -> Path:
    """Return this process's own folder for what it needs while it lives, made if needed."""
    folder = home / "tmp" / str(os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def in_scratch_folder(home: Path) -> Iterator[None]:
    """Let this process make its temporary files in its scratch folder while the block lasts."""
    before, tempfile.tempdir = tempfile.tempdir, str(scratch_folder(home).absolute())
    try:
        yield
    finally:
        tempfile.tempdir = before


def clear_leftovers(home: Path) -> Iterator[str]:
    """Remove scratch folders of processes that have ended, and older code; yield their names."""
    for folder in sorted((home / "tmp").glob("*")):
        if folder.name.isdecimal() and not _lives(int(folder.name), folder):
            shutil.rmtree(folder, ignore_errors=True)
            yield f"tmp/{folder.name}"
    archives = sorted((home / "spark-code").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-_KEPT_ARCHIVES]:
        path.unlink(missing_ok=True)
        yield f"spark-code/{path.name}"


def remove_old(folder: Path, days: float) -> int:
    """Remove files that were not written for so many days; return how many were removed."""
    oldest, gone = time.time() - days * SECONDS_PER_DAY, 0
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):  # another process may remove it too; a folder may hold others
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.lstat().st_mtime < oldest:
                path.unlink()
                gone += 1
    return gone


def _lives(pid: int, folder: Path) -> bool:
    """Return whether the process that made a folder lives, and is no later one of that number."""
    try:
        return psutil.Process(pid).create_time() <= folder.stat().st_mtime + _CLOCK_SECONDS
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True
