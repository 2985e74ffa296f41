"""Keeping tables of many small commits small, beside the writer that appends to them.

Here: `Upkeep`, which merges small files, writes checkpoints, drops old log entries and the files
that merging replaced; in a thread, or at one look of who is done soon.
Not here: vacuum of all tables (`defs.maintenance`), appending (`adapters.tables.numbered`).

Merging is a commit of its own that changes no row; an append that meets it tries again.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import pyarrow as pa
from deltalake import DeltaTable

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract

LEVELS = ((1 << 20, 100), (8 << 20, 16), (64 << 20, 16))
"""A size to merge to, and how many files that are less than half of it, and not of a level before,
are merged. So a row is written about twice a level, however long the table grows (tiered
compaction); with one level, each merge wrote what was merged before once more."""
GRACE_SECONDS = 600.0
"""How long a replaced file stays for those who read it."""
LOG_SECONDS = 60.0
END_SECONDS = 5.0
_APPENDED = "WRITE"


class Upkeep:
    """Cares for some tables in a thread of its own while the block lasts.

    Args:
        lake: where the tables are.
        tables: of many small commits. Whoever else commits to them meanwhile is second to merging,
            or first, and one of both tries again.
        pause_seconds: between two looks.
    """

    def __init__(
        self, lake: Lake, tables: tuple[TableContract, ...], pause_seconds: float = 5.0
    ) -> None:
        self._lake, self._tables, self._pause = lake, tables, pause_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._replaced: deque[tuple[float, str]] = deque()
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
            handle = self._lake.open(table)
            if handle is not None:
                self._merge(handle)
        now = time.monotonic()
        while self._replaced and self._replaced[0][0] < now - GRACE_SECONDS:
            self._lake.files.remove(self._replaced.popleft()[1])
        if now - self._log_at > LOG_SECONDS:
            self._log_at = now
            for table in self._tables:
                shorten_log(self._lake, table)

    def _merge(self, handle: DeltaTable) -> None:
        least = 0
        for target, count in LEVELS:
            sizes = pa.table(handle.get_add_actions())["size_bytes"].to_pylist()
            if sum(least <= size < target // 2 for size in sizes) >= count:
                self._merge_up_to(handle, target)
            least = target // 2

    def _merge_up_to(self, handle: DeltaTable, target: int) -> None:
        before = set(handle.file_uris())
        handle.optimize.compact(target_size=target, max_concurrent_tasks=1)
        handle.update_incremental()
        moment = time.monotonic()
        self._replaced.extend((moment, uri) for uri in before - set(handle.file_uris()))

    def _work(self) -> None:
        while not self._ended.wait(self._pause):
            self.try_look()


def shorten_log(lake: Lake, table: TableContract) -> None:
    """Remove what a table's log says of commits before the last, once it is old enough.

    Not while the last commit appends nothing, as merging and vacuum do: it alone may be left, and
    numbered writers look up what was appended last.
    """
    handle = lake.open(table)
    if handle is not None and handle.history(1)[0].get("operation") == _APPENDED:
        handle.create_checkpoint()
        handle.cleanup_metadata()
