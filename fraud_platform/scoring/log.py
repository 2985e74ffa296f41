"""The committed truth: what was scored up to which offset, under which number.

Here: `ScoringLog`, the only writer of `scored` and `dead_letters`, and what it gives to publish.
Not here: numbers and Delta (`adapters.numbered`), scoring (`scoring.micro_batch`).

Guarantee: micro-batch n is in `scored` once. Dead letters of n are committed before it, with the
end offsets of n: a run that died between both makes the same batch n again, so neither table ever
holds a message twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.scoring_tables import DEAD_LETTERS, SCORED, SCORING
from fraud_platform.contracts.tables import DataFile
from fraud_platform.faults import kill_point
from fraud_platform.scoring.files import write_rows

if TYPE_CHECKING:
    from fraud_platform.adapters.lake import Lake

Offsets = dict[int, int]


@dataclass(frozen=True)
class ScoredBatch:
    """A micro-batch that is scored and written, and belongs to nothing until it is committed.

    Attributes:
        files: of `scored`, in its folder.
        dead: rows of `dead_letters`.
        counts: see `scoring.micro_batch.MicroBatch`.
        end_offsets: the next offset of each partition that it read.
        stream_second: stream time behind it, seconds since 1970; None where nothing was scored.
    """

    number: int
    files: list[DataFile]
    dead: pa.Table
    counts: Mapping[str, int]
    end_offsets: Offsets
    stream_second: int | None


class ScoringLog:
    """Micro-batches in their order.

    Args:
        lake: where the tables are.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._scored = lake.numbered(SCORED, SCORING)
        self._dead = lake.numbered(DEAD_LETTERS, SCORING)

    def refresh(self) -> None:
        """Read what others committed since."""
        self._scored.refresh()
        self._dead.refresh()

    @property
    def number(self) -> int:
        """The last micro-batch committed, 0 before the first."""
        return self._scored.number

    @property
    def scored_version(self) -> int:
        """Version of the table `scored`."""
        return self._scored.version

    def last(self) -> dict[str, Any]:
        """Return what the last micro-batch says of itself: end offsets, stream time, counts, .."""
        return self._scored.metadata()

    def end_offsets(self, topic_id: str) -> Offsets:
        """Return the next offset to score of each partition that was ever read."""
        last = self.last()
        return offsets_in(last) if last.get("topic_id") == topic_id else {}

    def begun(self) -> Offsets | None:
        """Return the end offsets of the next batch, where a run died within it."""
        if self._dead.number <= self._scored.number:
            return None
        return offsets_in(self._dead.metadata())

    def commit(self, batch: ScoredBatch, metadata: Mapping[str, Any]) -> bool:
        """Commit a micro-batch, dead letters first; False if its number is taken.

        Args:
            metadata: with `topic_id`, and `end_offsets`, the next offset of each partition.
        """
        said = {**metadata, "counts": dict(batch.counts), "stream_second": batch.stream_second}
        if batch.dead.num_rows and self._dead.number < batch.number:
            url = self._lake.uri(DEAD_LETTERS)
            files = write_rows(self._lake.files, url, DEAD_LETTERS, batch.dead)
            kill_point("scoring.dead_letters_written")
            self._dead.append(files, batch.number, said)
        kill_point("scoring.dead_letters_committed")
        if not self._scored.append(batch.files, batch.number, said):
            return False
        kill_point("scoring.scored_committed")
        return True

    def urls(self, batch: ScoredBatch) -> list[str]:
        """Return where a micro-batch's files of `scored` are."""
        return [f"{self._lake.uri(SCORED)}/{file.path}" for file in batch.files]

    def rows_above(self, number: int, columns: list[str]) -> pa.Table:
        """Return these columns of the rows scored after a micro-batch."""
        return self._scored.rows_above(number, "micro_batch", columns)

    def dead_above(self, number: int) -> pa.Table:
        """Return the dead letters of committed micro-batches after a number."""
        columns = DEAD_LETTERS.column_names
        rows = self._dead.rows_above(number, "micro_batch", columns)
        return rows.filter(pc.less_equal(rows["micro_batch"], self.number))

    def commits_above(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield what the micro-batches after a number say of themselves, the last one first."""
        return itertools.takewhile(lambda said: said["number"] > number, self._scored.commits())

    def published(self, group_offsets: Offsets, topic_id: str) -> int:
        """Return the last micro-batch up to which a consumer group's offsets have come."""
        for said in self._scored.commits():
            ends = offsets_in(said)
            if said.get("topic_id") != topic_id or all(
                group_offsets.get(p, 0) >= end for p, end in ends.items()
            ):
                return int(said["number"])
        return 0


def offsets_in(said: Mapping[str, Any]) -> Offsets:
    """Return the end offsets in a commit's metadata."""
    return {int(p): int(end) for p, end in said.get("end_offsets", {}).items()}
