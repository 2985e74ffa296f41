"""Folders that are built once for a run of tests, whichever worker needs them first.

Here: a folder that all workers share, building under a lock, copying.
Not here: what is built (`fraud_platform_tests.testing.worlds.scoring`), the broker that all workers
share (`testing.shared_broker`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "TESTS_SHARED_FOLDER"


def open_shared_folder(environment: MutableMapping[str, str]) -> Path | None:
    """Create the shared folder of a run and return it; None if a main process did so before."""
    if _VARIABLE in environment:
        return None
    root = environment.get("PYTEST_DEBUG_TEMPROOT")
    environment[_VARIABLE] = tempfile.mkdtemp(prefix="shared-by-tests-", dir=root)
    return Path(environment[_VARIABLE])


def copy_of(name: str, build: Callable[[Path], object], folder: Path) -> Path:
    """Copy what `build` writes into a folder, and return that folder.

    Args:
        name: names what is built; two builds of one name must write the same.
        build: writes into the folder that it gets; called once for each run of tests.
        folder: gets the copy.
    """
    if _VARIABLE not in os.environ:
        build(folder)
        return folder
    shared = shared_folder()
    built = shared / name
    with locked(name):
        if not built.exists():
            begun = shared / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            build(begun)
            begun.rename(built)
    shutil.copytree(built, folder, dirs_exist_ok=True)
    return folder


def shared_folder() -> Path:
    """Return the folder that all workers of this run share."""
    return Path(os.environ[_VARIABLE])


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one worker at a time work on what has this name in the shared folder."""
    with (shared_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
