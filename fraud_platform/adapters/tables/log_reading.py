"""Reading a Delta log that another process may clean concurrently.

Here: retrying if an entry or a checkpoint was removed after it was listed; commits, the newest
first.
Not here: cleaning logs (`adapters.tables.compaction`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

_READS = 8
_RECENT_COMMITS = 20
_T = TypeVar("_T")


def reread(read: Callable[[], _T], before_retry: Callable[[], object] = lambda: None) -> _T:
    """Return the result of `read` on a log; retry if the log was cleaned during the read.

    Args:
        before_retry: called before each retry.
    """
    for _ in range(_READS - 1):
        try:
            return read()
        except (FileNotFoundError, DeltaError) as error:
            if not ("_delta_log" in str(error) and "not found" in str(error)):
                raise
            before_retry()
    return read()


def newest_first(handle: DeltaTable) -> Iterator[dict[str, Any]]:
    """Yield all commits; the first few, among which most are found, without reading the others."""
    yield from handle.history(_RECENT_COMMITS)
    yield from handle.history()
