"""Compaction of tables of many small commits, concurrently with the writer that appends to them.

Here: `Compaction`, which merges small files, writes checkpoints, and removes old log entries and
the files that merging replaced; in a thread, or once for a short process.
Not here: merging (`adapters.tables.merging`), vacuum of all tables (`defs.automation.maintenance`),
appending (`adapters.tables.numbered`).

Merging is a separate commit that changes no row; an append that conflicts with it is retried. Any
number of processes may compact one table, and a suspended one may resume at any time: see
`adapters.tables.swapping` for the fencing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Self

from fraud_platform.adapters.tables.merging import merge_small_files
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.swapping import active_files
from fraud_platform.contracts.tables import TableContract

GRACE_SECONDS = 600.0
"""How long a replaced file stays for its readers."""
LOG_SECONDS = 60.0
END_SECONDS = 5.0
_APPENDED = "WRITE"


class Compaction:
    """Compacts tables in a thread during the block.

    Args:
        lake: the lake with the tables.
        tables: tables of many small commits.
        pause_seconds: pause between two rounds.
    """

    def __init__(
        self, lake: TableStore, tables: tuple[TableContract, ...], pause_seconds: float = 5.0
    ) -> None:
        self._lake, self._tables, self._pause = lake, tables, pause_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._replaced: deque[tuple[float, TableContract, list[str]]] = deque()
        self._log_at = 0.0
        self.problem = ""
        """The problem of the last round; the next round tries again."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        # a storage that does not answer must not delay the end
        self._thread.join(END_SECONDS)

    def try_look(self) -> None:
        """Do one round; a problem is recorded, and the next round tries again."""
        try:
            self.look()
            self.problem = ""
        except Exception as error:  # noqa: BLE001 - without compaction tables only grow
            self.problem = f"compaction of tables: {type(error).__name__}: {error}"

    def look(self) -> None:
        """Do one round: everything that is due."""
        for table in self._tables:
            if replaced := merge_small_files(self._lake, table):
                self._replaced.append((time.monotonic(), table, replaced))
        now = time.monotonic()
        while self._replaced and self._replaced[0][0] < now - GRACE_SECONDS:
            self._remove(*self._replaced[0][1:])
            self._replaced.popleft()
        if now - self._log_at > LOG_SECONDS:
            self._log_at = now
            for table in self._tables:
                shorten_log(self._lake, table)

    def _remove(self, table: TableContract, paths: list[str]) -> None:
        """Remove replaced files, except those that the table's current version names."""
        handle = self._lake.open(table)
        needed = active_files(handle).keys() if handle is not None else set()
        for path in paths:
            if path not in needed:
                self._lake.files.remove(f"{self._lake.uri(table)}/{path}")

    def _work(self) -> None:
        while not self._ended.wait(self._pause):
            self.try_look()


def shorten_log(lake: TableStore, table: TableContract) -> None:
    """Remove old log entries of commits before the last.

    Nothing is removed while the last commit appends nothing, as in merging and vacuum: it could be
    the only entry left, and numbered writers look up the last append.
    """
    handle = lake.open(table)
    if handle is not None and handle.history(1)[0].get("operation") == _APPENDED:
        handle.create_checkpoint()
        handle.cleanup_metadata()
