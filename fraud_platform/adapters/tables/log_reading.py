"""Reading a Delta log that somebody may clean meanwhile.

Here: trying again where an entry or a checkpoint went between being listed and being read.
Not here: who cleans logs, and when (`adapters.tables.upkeep`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from deltalake.exceptions import DeltaError

_READS = 8
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
