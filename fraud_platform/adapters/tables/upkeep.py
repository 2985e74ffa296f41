"""Keeping tables of many small commits small, beside the writer that appends to them.

Here: `Upkeep`, which has small files merged, writes checkpoints, drops old log entries and the
files that merging replaced; in a thread, or at one look of who is done soon.
Not here: merging (`adapters.tables.merging`), vacuum of all tables (`defs.automation.maintenance`),
appending (`adapters.tables.numbered`).

Merging is a commit of its own that changes no row; an append that meets it tries again. Any number
of processes may care for one table, and one that was stopped on the way may go on at any time: see
`adapters.tables.swapping` for what decides.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from fraud_platform.adapters.tables.merging import merge_small_files
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.swapping import active_files
from fraud_platform.contracts.tables import TableContract

GRACE_SECONDS = 600.0
"""How long a replaced file stays for those who read it."""
LOG_SECONDS = 60.0
END_SECONDS = 5.0
_APPENDED = "WRITE"


class Upkeep:
    """Cares for some tables in a thread of its own while the block lasts.

    Args:
        lake: where the tables are.
        tables: of many small commits.
        pause_seconds: between two looks.
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
        """What went wrong at the last look; the next one tries again."""

    def __enter__(self) -> Upkeep:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        # a storage that does not answer holds nobody up
        self._thread.join(END_SECONDS)

    def try_look(self) -> None:
        """Do once what is due; what goes wrong is noted, and done at the next look."""
        try:
            self.look()
            self.problem = ""
        except Exception as error:  # whatever it is: tables that nobody cares for only grow
            self.problem = f"upkeep of tables: {type(error).__name__}: {error}"

    def look(self) -> None:
        """Do once what is due."""
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
        """Remove replaced files, but none that the table's present version names."""
        handle = self._lake.open(table)
        needed = active_files(handle).keys() if handle is not None else set()
        for path in paths:
            if path not in needed:
                self._lake.files.remove(f"{self._lake.uri(table)}/{path}")

    def _work(self) -> None:
        while not self._ended.wait(self._pause):
            self.try_look()


def shorten_log(lake: TableStore, table: TableContract) -> None:
    """Remove what a table's log says of commits before the last, once it is old enough.

    Not while the last commit appends nothing, as merging and vacuum do: it alone may be left, and
    numbered writers look up what was appended last.
    """
    handle = lake.open(table)
    if handle is not None and handle.history(1)[0].get("operation") == _APPENDED:
        handle.create_checkpoint()
        handle.cleanup_metadata()
