"""Reading a Delta log that somebody may clean meanwhile.

Here: trying again if an entry or a checkpoint went between being listed and being read; commits,
the newest first.
Not here: who cleans logs, and when (`adapters.tables.upkeep`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

_READS = 8
_RECENT_COMMITS = 20
_T = TypeVar("_T")


def reread(read: Callable[[], _T], anew: Callable[[], object] = lambda: None) -> _T:
    """Return what `read` finds in a log, read again if it was cleaned on the way.

    Args:
        anew: is called before each other try.
    """
    for _ in range(_READS - 1):
        try:
            return read()
        except (FileNotFoundError, DeltaError) as error:
            if not ("_delta_log" in str(error) and "not found" in str(error)):
                raise
            anew()
    return read()


def newest_first(handle: DeltaTable) -> Iterator[dict[str, Any]]:
    """Yield all commits; the first few, among which most are found, without reading the others."""
    yield from handle.history(_RECENT_COMMITS)
    yield from handle.history()
