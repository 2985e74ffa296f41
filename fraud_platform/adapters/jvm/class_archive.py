"""Archives of loaded Java classes (AppCDS), which shorten the start of later JVMs.

Here: naming the archive that matches a command, the JVM option that uses it, creating it once.
Not here: the work that loads the classes (`adapters.kafka.broker`, `adapters.spark.classes`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from fraud_platform.adapters.jvm.java import find_java

QUIET = ("-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr")
"""JVM options that ignore a missing or mismatched archive without a message."""


class ClassArchive:
    """The class archive of one kind of JVM; its name contains a hash of Java and the command.

    Args:
        folder: folder of the archive.
        name: name of the kind of JVM.
        command: class path and options of the JVMs. The JVM accepts its archive only if the class
            path is absolute and contains no symbolic links.
    """

    def __init__(self, folder: Path, name: str, command: str) -> None:
        java = os.path.realpath(find_java() or "java")
        stamp = Path(java).stat().st_mtime_ns if Path(java).exists() else 0
        digest = hashlib.sha256(f"{java} {stamp} {command}".encode()).hexdigest()[:12]
        self._folder, self._name = folder, name
        self.path = folder / f"{name}-{digest}.jsa"

    @property
    def option(self) -> str:
        """The JVM option that uses the archive."""
        return f"-XX:SharedArchiveFile={self.path}"

    def make(self, run: Callable[[Path, str], None]) -> None:
        """Create the archive if it is missing; safe to call from several processes at once.

        Older archives of the same kind are deleted.

        Args:
            run: runs a JVM until it exits normally; called with a temporary folder and the JVM
                option that writes the archive.
        """
        if self.path.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f".{self._name}-archive.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.exists():
                return
            for stale in self._folder.glob(f"{self._name}-*.jsa"):
                stale.unlink()
            with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
                made = Path(scratch) / "made.jsa"
                run(Path(scratch), f"-XX:ArchiveClassesAtExit={made}")
                # If Java wrote no archive, leave an empty file: starts are slow but work.
                made.touch()
                made.replace(self.path)
