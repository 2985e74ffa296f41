"""Local time in formulas: the offset of a zone from UTC at a row's second.

Here: `ZoneOffset`, a table of a zone's changes that is searched by integers.
Not here: reading local times of drops and messages (`rows.fields`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from fraud_platform.contracts.feature_language.expressions import Array, Expression

_FIRST_YEAR, _LAST_YEAR = 1990, 2060
"""Beyond these years the first and the last offset hold."""
_STEP = timedelta(days=1)


@dataclass(frozen=True)
class ZoneOffset(Expression):
    """Seconds to add to UTC for local time, at a second since 1970.

    Attributes:
        second: the row's second.
        zone: IANA name.
    """

    second: Expression
    zone: str

    def children(self) -> tuple[Expression, ...]:
        """Return the second."""
        return (self.second,)

    def compute(self, *arguments: Array) -> Array:
        """Return the offsets at seconds since 1970."""
        changes, offsets = _table(self.zone)
        return offsets[np.searchsorted(changes, arguments[0], side="right")]

    def __str__(self) -> str:
        """Name the table's content, which differs between editions of the time zone database."""
        changes, offsets = _table(self.zone)
        content = hashlib.sha256(changes.tobytes() + offsets.tobytes()).hexdigest()[:16]
        return f"offset({self.second}, {self.zone}, {content})"


@cache
def _table(zone: str) -> tuple[Array, Array]:
    """Return the seconds at which a zone's offset changes, and the offsets before, between, after.

    Offsets are probed each day, and a change is found to the second by halving the day.
    """
    info = ZoneInfo(zone)
    moment, end = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(_LAST_YEAR, 1, 1, tzinfo=UTC)
    changes, offsets = [], [_offset(info, moment)]
    while moment < end:
        after = moment + _STEP
        if _offset(info, after) != offsets[-1]:
            changes.append(_change(info, moment, after))
            offsets.append(_offset(info, after))
        moment = after
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _change(info: ZoneInfo, before: datetime, after: datetime) -> int:
    """Return the first second with the offset of `after`."""
    low, high = int(before.timestamp()), int(after.timestamp())
    wanted = _offset(info, after)
    while high - low > 1:
        middle = (low + high) // 2
        is_after = _offset(info, datetime.fromtimestamp(middle, UTC)) == wanted
        low, high = (low, middle) if is_after else (middle, high)
    return high


def _offset(info: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(info).utcoffset()
    assert offset is not None  # of a zone's own moments
    return int(offset.total_seconds())
