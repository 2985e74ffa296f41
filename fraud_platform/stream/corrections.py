"""Corrections of stream time by a person, and their effect on rows scored before them.

Here: `Correction`, kept in the metadata of every later commit, and its effect on the rows that a
state reads from the tables.
Not here: the command (`fraud_platform.operations.live.stream_time`), the clock (`stream.clock`).

A correction is a commit with its own number, so the sequence of micro-batches defines when it takes
effect. Earlier rows and labels were noted under a wrong stream time: they count as noted at the
corrected one. Rows dated ahead of it stay known as scored, but are no history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import TILE_SECONDS

Ints = npt.NDArray[np.int64]
CORRECTIONS = "stream_corrections"


@dataclass(frozen=True)
class Correction:
    """Stream time as a person set it.

    Attributes:
        number: number of its commit in the sequence of micro-batches.
        second: the new stream time, seconds since 1970.
        landing: the last landing of labels before it.
    """

    number: int
    second: int
    landing: int


Corrections = Sequence[Correction]


def corrections_in(metadata: Mapping[str, Any]) -> list[Correction]:
    """Return the corrections in a commit's metadata, oldest first."""
    return [Correction(*values) for values in metadata.get(CORRECTIONS, [])]


def as_metadata(corrections: Corrections) -> dict[str, Any]:
    """Return corrections as a commit's metadata."""
    return {CORRECTIONS: [list(astuple(one)) for one in corrections]} if corrections else {}


def is_left_out(corrections: Corrections, micro_batch: Ints, second: Ints) -> npt.NDArray[np.bool_]:
    """Return which scored rows are dated ahead of a later correction: they are no history."""
    found = np.zeros(second.size, dtype=bool)
    for one in corrections:
        found |= (micro_batch < one.number) & (second > one.second + TILE_SECONDS)
    return found


def corrected_landings(corrections: Corrections, landing: Ints, landed_second: Ints) -> Ints:
    """Return the stream time at which labels landed, with later corrections applied."""
    for one in corrections:
        landed_second = np.where(
            (landing <= one.landing), np.minimum(landed_second, one.second), landed_second
        )
    return landed_second
