"""Exact bit sets of transaction ids, which also collect the ids that occur twice.

Here: packing, merging and unpacking with numpy. A group of 64 consecutive ids takes 16 bytes, so
the ascending ids of millions of rows fit into a few megabytes.
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
    """A set of ids, and the ids that occurred more than once when it was built.

    Args:
        groups: ascending distinct values of `id >> 6`.
        bits: for each group, one bit for each id in the set.
        repeated: ascending distinct ids that occurred more than once.
    """

    groups: Ids
    bits: Bits
    repeated: Ids

    @classmethod
    def of(cls, ids: Ids) -> IdSet:
        """Return the set of these ids, which must not be negative."""
        bits = np.uint64(1) << (ids & (IDS_PER_GROUP - 1)).astype(np.uint64)
        return _merged(ids >> _GROUP_BITS, bits, np.empty(0, np.int64))

    @classmethod
    def union(cls, sets: Sequence[IdSet]) -> IdSet:
        """Return the union; an id that is in two of the sets counts as repeated."""
        if not sets:
            return cls.of(np.empty(0, np.int64))
        groups, bits, repeated = (
            np.concatenate(column) for column in zip(*(vars(s).values() for s in sets), strict=True)
        )
        return _merged(groups, bits, repeated)

    def __len__(self) -> int:
        return int(np.bitwise_count(self.bits).sum())


def unpack(groups: Ids, bits: Bits) -> Ids:
    """Return the ids of all set bits, group by group."""
    places = np.arange(IDS_PER_GROUP, dtype=np.uint64)
    rows, set_places = np.nonzero(bits[:, None] >> places & np.uint64(1))
    return groups[rows] * IDS_PER_GROUP + set_places


def _merged(groups: Ids, bits: Bits, repeated: Ids) -> IdSet:
    """Merge rows of equal groups; bits that are set in two rows of a group are repeated ids."""
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
