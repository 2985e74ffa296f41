"""The log of committed micro-batches: their numbers, offsets and rows.

Here: `ScoringLog`, the only writer of `scored` and `dead_letters`, and the rows to publish.
Not here: numbers and Delta (`adapters.tables.numbered`), scoring (`scoring.engines.micro_batch`).

Guarantee: micro-batch n is in `scored` once, and its commit also decides its dead letters (see
`scoring.pairs`), so neither table holds a message twice or leaves one out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.tables import DataFile
from fraud_platform.contracts.uniqueness import require_unique
from fraud_platform.errors import ConservationError
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.stream.corrections import as_metadata, corrections_in, is_left_out
from fraud_platform.stream.event_time import Carried
from fraud_platform.stream.scored_counts import DayCounts, carried_on
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED, SCORING

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import ScoredTables

Offsets = dict[int, int]
_CARRIED = "carried"


@dataclass(frozen=True)
class ScoredBatch:
    """A micro-batch that is scored and written; no table has it before its commit.

    Attributes:
        files: data files of `scored`, in the table's folder.
        dead: rows of `dead_letters`.
        counts: see `scoring.engines.micro_batch.MicroBatch`.
        end_offsets: the next offset of each partition that it read.
        stream_second: stream time after it, seconds since 1970; None if nothing was scored.
        carried: see `stream.event_time.Carried`.
        days: the rows of `files` by day and model.
        front_second: the stream's front after it, see `StreamClock`; None if it is stream time.
    """

    number: int
    files: list[DataFile]
    dead: pa.Table
    counts: Mapping[str, int]
    end_offsets: Offsets
    stream_second: int | None
    carried: Carried = field(default_factory=dict)
    days: DayCounts = field(default_factory=dict)
    front_second: int | None = None

    def __post_init__(self) -> None:
        """Check that every row is counted.

        Raises:
            ConservationError: `days` counts other rows than `files` hold.
        """
        rows, counted = (sum(f.rows for f in self.files), sum(c.rows for c in self.days.values()))
        if rows != counted:
            raise ConservationError(
                f"micro-batch {self.number}: expected counts by day of the {rows} rows in its "
                f"files, found {counted}. Nothing of it is committed; report this."
            )


class ScoringLog:
    """Micro-batches in their order.

    Args:
        lake: the lake with the tables.
    """

    def __init__(self, lake: ScoredTables) -> None:
        self._lake = lake
        self._tables = PairedTables(lake, SCORED, DEAD_LETTERS, SCORING)
        self._scored, self._dead = self._tables.results, self._tables.dead

    def settle(self) -> None:
        """Read the commits of others, and add dead letters that a killed run did not add."""
        self._tables.settle()

    @property
    def number(self) -> int:
        """The last micro-batch committed, 0 before the first."""
        return self._scored.number

    def last(self) -> dict[str, Any]:
        """Return the metadata of the last micro-batch: end offsets, stream time, counts, .."""
        return self._scored.metadata()

    def commit(self, batch: ScoredBatch, metadata: Mapping[str, Any]) -> bool:
        """Commit a micro-batch with its dead letters; False if its number is taken.

        Args:
            metadata: with `topic_id`, and `end_offsets`, the next offset of each partition.
        """
        own = {**metadata, "counts": dict(batch.counts), "stream_second": batch.stream_second}
        if batch.front_second is not None:
            own["front_second"] = batch.front_second
        if batch.carried:
            own[_CARRIED] = dict(batch.carried)
        last = self.last()
        passed_on = as_metadata(corrections_in(last)) | carried_on(self._lake, last, batch.days)
        return self._tables.commit(batch.number, batch.files, batch.dead, passed_on | own)

    def urls(self, batch: ScoredBatch) -> list[str]:
        """Return the URLs of a micro-batch's files of `scored`."""
        return [f"{self._lake.uri(SCORED)}/{file.path}" for file in batch.files]

    def rows_above(self, number: int, columns: list[str]) -> pa.Table:
        """Return these columns of the rows scored after a micro-batch."""
        return self._scored.rows_above(number, "micro_batch", columns)

    def last_seconds(self, rows: int) -> np.ndarray:
        """Return the event times of the last scored rows, in scoring order.

        Rows that a correction of stream time leaves out are excluded. File statistics locate the
        rows, because the log is cleaned and no longer names all of them.

        Args:
            rows: the maximum number of rows.

        Raises:
            RepeatedRowsError: the table holds some of them more than once.
        """
        number = self._scored.number_before(rows, "micro_batch")
        last = self.rows_above(number, ["tx_datetime", *SCORED.unique_by])
        last = last.sort_by([(name, "ascending") for name in SCORED.unique_by])
        require_unique(SCORED, last)
        seconds = last["tx_datetime"].cast(pa.int64()).to_numpy() // 1_000_000
        corrections = corrections_in(self.last())
        if corrections:
            left_out = is_left_out(corrections, last["micro_batch"].to_numpy(), seconds)
            seconds = seconds[~left_out]
        return seconds[-rows:]

    def dead_above(self, number: int) -> pa.Table:
        """Return the dead letters of committed micro-batches after a number."""
        return self._dead.rows_above(number, "micro_batch", DEAD_LETTERS.column_names)

    def commits_above(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield the metadata of the micro-batches after a number, the last one first."""
        return itertools.takewhile(lambda commit: commit["number"] > number, self._scored.commits())


def offsets_in(metadata: Mapping[str, Any]) -> Offsets:
    """Return the end offsets in a commit's metadata."""
    return {int(p): int(end) for p, end in metadata.get("end_offsets", {}).items()}


def carried_in(metadata: Mapping[str, Any]) -> Carried:
    """Return what a commit's metadata carries over to the next micro-batch."""
    return {int(p): tuple(kept) for p, kept in metadata.get(_CARRIED, {}).items()}
