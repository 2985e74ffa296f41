"""Sets of transaction ids as bits: packing, merging, and the ids that are met twice.

Here: numpy over groups of 64 neighbouring ids. In a drop of ascending ids a group costs 16 bytes,
so the ids of millions of rows fit into a few megabytes, exactly and whatever the ids are.
Not here: reading ids from text (`tasks`), sets too large for one process (`duplicates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

_GROUP_BITS = 6
IDS_PER_GROUP = 1 << _GROUP_BITS


@dataclass(frozen=True)
class IdSet:
    """A set of ids, and those that were met more than once while it was made.

    Args:
        groups: ascending `id >> 6`, each once.
        bits: for each group, one bit for each id that is in the set.
        repeated: ascending ids, each once.
    """

    groups: Ids
    bits: Bits
    repeated: Ids

    @classmethod
    def of(cls, ids: Ids) -> IdSet:
        """Return the set of these ids, which are not negative."""
        bits = np.uint64(1) << (ids & (IDS_PER_GROUP - 1)).astype(np.uint64)
        return _merged(ids >> _GROUP_BITS, bits, np.empty(0, np.int64))

    @classmethod
    def union(cls, sets: Sequence[IdSet]) -> IdSet:
        """Return the union; an id that stands in two of the sets is repeated."""
        if not sets:
            return cls.of(np.empty(0, np.int64))
        groups, bits, repeated = (
            np.concatenate(column) for column in zip(*(vars(s).values() for s in sets), strict=True)
        )
        return _merged(groups, bits, repeated)

    def __len__(self) -> int:
        return int(np.bitwise_count(self.bits).sum())


def unpack(groups: Ids, bits: Bits) -> Ids:
    """Return the ids that the bits stand for, group by group."""
    places = np.arange(IDS_PER_GROUP, dtype=np.uint64)
    rows, found = np.nonzero(bits[:, None] >> places & np.uint64(1))
    return groups[rows] * IDS_PER_GROUP + found


def _merged(groups: Ids, bits: Bits, repeated: Ids) -> IdSet:
    """Merge rows of equal groups; bits that two rows of a group share are repeated ids."""
    if not (groups[1:] >= groups[:-1]).all():
        order = np.argsort(groups, kind="stable")
        groups, bits = groups[order], bits[order]
    is_first = np.concatenate(([True], groups[1:] != groups[:-1]))[: len(groups)]
    firsts = np.flatnonzero(is_first)
    if len(firsts) == len(groups):
        return IdSet(groups, bits, np.unique(repeated))
    union = np.bitwise_or.reduceat(bits, firsts)
    counted = np.add.reduceat(np.bitwise_count(bits), firsts, dtype=np.int64)
    crowded = np.flatnonzero(counted != np.bitwise_count(union))
    if len(crowded):
        rows = np.isin(groups, groups[firsts[crowded]])
        ids, counts = np.unique(unpack(groups[rows], bits[rows]), return_counts=True)
        repeated = np.concatenate((repeated, ids[counts > 1]))
    return IdSet(groups[firsts], union, np.unique(repeated))
