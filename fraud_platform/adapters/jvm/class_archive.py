"""An archive of the classes that a JVM loads (AppCDS): the next JVM of its kind starts sooner.

Here: which archive fits a command, the option that uses it, making it once.
Not here: what a JVM does to load its classes (`adapters.kafka.broker`, `adapters.spark.classes`).
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
"""Java's options with which an archive that does not fit costs the time it saved, and no words."""


class ClassArchive:
    """The archive of one kind of JVM, in a folder beside its jars.

    Args:
        folder: where it lies.
        name: of the kind.
        command: the class path and options of its JVMs. Only an absolute class path without links
            finds its archive again.
    """

    def __init__(self, folder: Path, name: str, command: str) -> None:
        java = os.path.realpath(find_java() or "java")
        stamp = os.stat(java).st_mtime_ns if os.path.exists(java) else 0
        digest = hashlib.sha256(f"{java} {stamp} {command}".encode()).hexdigest()[:12]
        self._folder, self._name = folder, name
        self.path = folder / f"{name}-{digest}.jsa"

    @property
    def option(self) -> str:
        """Java's option that uses it."""
        return f"-XX:SharedArchiveFile={self.path}"

    def make(self, run: Callable[[Path, str], None]) -> None:
        """Make it where it is not there; several processes may call this at once.

        Args:
            run: runs a JVM to its orderly end, given a folder that goes away and Java's option.
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
                # A Java that makes none leaves an empty file: starts are slow, but work.
                made.touch()
                made.replace(self.path)
