"""Carrying a plan out: score, commit, publish, again until its ranges are done.

Here: `Scorer`, the order of steps that makes results exactly-once whichever engine scores.
Not here: scoring (`scoring.inprocess`, `scoring.spark_engine`), committing (`scoring.log`),
publishing (`scoring.publishing`), planning (`scoring.plans`).

The truth is the table `scored`: a micro-batch is done when its number is committed. What was
committed and not published is published first by whoever comes next. Two scorers on one topic: the
later fences the earlier, which meets its number taken, or its transaction refused, and stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.contracts.messages import SCORER_GROUP
from fraud_platform.errors import FencedError
from fraud_platform.scoring.cutting import Ranges, next_ranges
from fraud_platform.scoring.log import Offsets, ScoredBatch, ScoringLog
from fraud_platform.scoring.micro_batch import PinnedModel
from fraud_platform.scoring.publishing import (
    Topics,
    publish_batch,
    publish_committed,
    read_back,
)

if TYPE_CHECKING:
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.scoring.ports import Offsets as GroupOffsets
    from fraud_platform.scoring.ports import Publisher


class Engine(Protocol):
    """Turns ranges into a written micro-batch; see `scoring.inprocess.InProcessEngine`."""

    name: str

    def catch_up(self, log: ScoringLog) -> None:
        """Bring the state to the last committed micro-batch and the labels that landed."""

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Make ready to score from these offsets at once; changes nothing."""

    def forget(self) -> None:
        """Drop the state: what it took in was not committed."""

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: PinnedModel) -> ScoredBatch:
        """Score a micro-batch from `ranges`, or a part of them."""

    def committed(self, number: int) -> None:
        """Note that the micro-batch is committed."""


@dataclass
class Progress:
    """What a scorer did, batch by batch.

    Attributes:
        counts: sums of the micro-batches' counts.
        micro_batches: how many were committed.
        first, last: numbers of the first and last one.
        durable_ms, published_ms: latency of each message from produced, one array a batch.
        probabilities: of each scored message, one array a batch.
        seconds: wall time within batches.
    """

    counts: dict[str, int] = field(default_factory=dict)
    micro_batches: int = 0
    first: int = 0
    last: int = 0
    durable_ms: list[npt.NDArray[np.float64]] = field(default_factory=list)
    published_ms: list[npt.NDArray[np.float64]] = field(default_factory=list)
    probabilities: list[npt.NDArray[np.float64]] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, batch: ScoredBatch) -> None:
        """Count a committed micro-batch."""
        for name, count in batch.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.micro_batches += 1
        self.first = self.first or batch.number
        self.last = batch.number

    def add(self, other: Progress) -> None:
        """Count another's work as well; latencies and scores are not kept twice."""
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.micro_batches += other.micro_batches
        self.first = self.first or other.first
        self.last = other.last
        self.seconds += other.seconds


class Scorer:
    """Scores ranges with a pinned model, exactly once.

    Args:
        lake: the tables.
        engine: scores micro-batches.
        publisher: publishes under the lease.
        group: answers what was published.
        topics: what is read and written.
        max_batch_messages: the most messages of one micro-batch.
        holder: who scores, noted in every commit.
    """

    def __init__(
        self,
        lake: Lake,
        engine: Engine,
        publisher: Publisher,
        group: GroupOffsets,
        topics: Topics,
        max_batch_messages: int,
        holder: str,
    ) -> None:
        self._lake, self._engine, self._publisher = lake, engine, publisher
        self._group, self._topics, self._max = group, topics, max_batch_messages
        self._holder = holder
        self.log = ScoringLog(lake)
        self.progress = Progress()

    def start(self) -> int:
        """Take the lease and publish what another left; return how many predictions that was."""
        self._publisher.fence()
        self.log.settle()
        group = self._group.group_offsets(SCORER_GROUP, self._topics.transactions)
        late = publish_committed(self.log, self._publisher, group, self._topics)
        self._engine.catch_up(self.log)
        return late

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Make ready to score from these offsets at once."""
        self._engine.warm_up(starts, model)

    def catch_up(self) -> None:
        """Take in what landed meanwhile."""
        self._engine.catch_up(self.log)

    def score(
        self,
        ranges: Ranges,
        model: PinnedModel,
        said: Mapping[str, Any],
        on_batch: Callable[[ScoredBatch], None] = lambda batch: None,
    ) -> None:
        """Score, commit and publish the ranges in micro-batches.

        Args:
            ranges: of every partition, empty ones too; begin where the last micro-batch ended.
            said: what each commit says of itself beside its own figures.

        Raises:
            FencedError: another scorer has taken over.
        """
        starts = {p: start for p, (start, _) in ranges.items()}
        offsets = {**starts, **self.log.end_offsets(self._topics.topic_id)}
        remaining = dict(ranges)
        while any(start < end for start, end in remaining.values()):
            started = time.perf_counter()
            chosen = next_ranges(remaining, self._max)
            behind = {p: (chosen[p][1], remaining[p][1]) for p in chosen}
            try:
                batch = self._engine.score(chosen, behind, self.log.number + 1, model)
                offsets = {**offsets, **batch.end_offsets}
                self._commit(batch, offsets, said)
            except BaseException:
                # the state may hold what is not committed
                self._engine.forget()
                raise
            self._publish(batch, offsets)
            self.progress.seconds += time.perf_counter() - started
            for p, end in batch.end_offsets.items():
                remaining[p] = (end, remaining[p][1])
            on_batch(batch)

    def _commit(self, batch: ScoredBatch, offsets: Offsets, said: Mapping[str, Any]) -> None:
        metadata = {
            **said,
            "end_offsets": offsets,
            "topic_id": self._topics.topic_id,
            "holder": self._holder,
            "engine": self._engine.name,
        }
        if not self.log.commit(batch, metadata):
            raise FencedError(
                f"micro-batch {batch.number}: another scorer ({self.log.last().get('holder')}) "
                "committed it first. This one stops; nothing is scored twice."
            )
        self._engine.committed(batch.number)
        self.progress.note(batch)

    def _publish(self, batch: ScoredBatch, offsets: Offsets) -> None:
        rows = read_back(self._lake.files, self.log.urls(batch))
        self._note_latency(self.progress.durable_ms, rows)
        publish_batch(self._publisher, self._topics, rows, batch.dead, offsets)
        self._note_latency(self.progress.published_ms, rows)
        if rows is not None:
            self.progress.probabilities.append(rows["fraud_probability"].to_numpy())

    def _note_latency(
        self, latencies: list[npt.NDArray[np.float64]], rows: pa.Table | None
    ) -> None:
        if rows is not None:
            produced = rows["produced_at"].cast(pa.int64()).to_numpy() / 1000
            latencies.append(time.time() * 1000 - produced)
