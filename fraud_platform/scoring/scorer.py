"""Carrying out a plan: score, commit and publish until its ranges are done.

Here: `Scorer`, the order of steps that makes results exactly-once with either engine.
Not here: scoring (`scoring.engines.inprocess`, `scoring.engines.spark`), committing
(`scoring.log`), publishing (`scoring.publishing`), planning (`scoring.plans`).

The table `scored` is the truth: a micro-batch is done when its number is committed. The next scorer
first publishes micro-batches that were committed and not published. If two scorers work on one
topic, the later one fences the earlier one, which stops at its next transaction. If a scorer finds
its number taken, it takes in and publishes the other's micro-batch; that also shows whether it
still holds the lease.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.errors import DataError, TopicChangedError
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.log import Offsets, ScoredBatch, ScoringLog, offsets_in
from fraud_platform.scoring.plans import ACCEPT_GAP, Plan
from fraud_platform.scoring.publishing import Publication, read_back
from fraud_platform.stream.batching import Ranges, next_ranges

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import TableFiles

_SAME_TOPIC_SECONDS = 1.0
"""Too short for a topic to be deleted, recreated and filled up to the read offsets."""


class Engine(Protocol):
    """Turns ranges into a written micro-batch; see `scoring.engines.inprocess.InProcessEngine`."""

    name: str

    def catch_up(self, log: ScoringLog) -> None:
        """Roll the state forward to the last committed micro-batch and the landed labels."""

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Prepare to score from these offsets at once; this changes no state."""

    def forget(self) -> None:
        """Drop the state, because it holds rows that were not committed."""

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: PinnedModel) -> ScoredBatch:
        """Score a micro-batch from `ranges`, or a part of them."""

    def committed(self, number: int) -> None:
        """Record that the micro-batch is committed."""


@dataclass
class Progress:
    """The work of a scorer, batch by batch.

    Attributes:
        counts: sums of the micro-batches' counts.
        micro_batches: number of committed micro-batches.
        first, last: numbers of the first and last one.
        durable_ms, published_ms: latency of each message since produced, one array per batch.
        probabilities: probability of each scored message, one array per batch.
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
        """Add another's counts; its latencies and scores are not copied."""
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
        publication: publishes them; it has the log and the topics.
        max_batch_messages: the largest number of messages in one micro-batch.
        holder: name of this scorer, stored in every commit.
    """

    def __init__(
        self,
        lake: TableFiles,
        engine: Engine,
        publication: Publication,
        max_batch_messages: int,
        holder: str,
    ) -> None:
        self._lake, self._engine, self._publication = lake, engine, publication
        self._topics, self._max, self._holder = publication.topics, max_batch_messages, holder
        self.log = publication.log
        self.progress = Progress()
        self._same_topic_at = -math.inf

    def start(self) -> int:
        """Take the lease and publish what another scorer left; return the number of predictions."""
        late = self._publication.take_lease()
        self._engine.catch_up(self.log)
        return late

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Prepare to score from these offsets at once."""
        self._engine.warm_up(starts, model)

    def catch_up(self) -> None:
        """Take in what was committed or landed since the last call."""
        self._engine.catch_up(self.log)

    def carry_out(
        self,
        plan: Plan,
        model: PinnedModel,
        metadata: Mapping[str, Any],
        on_batch: Callable[[ScoredBatch], None] = lambda batch: None,
    ) -> None:
        """Score the rest of a plan.

        Raises:
            DataError: the plan was dropped, because a gap was accepted after it was made.
            FencedError: another scorer has taken over.
        """
        if plan.topic_id != self._topics.topic_id:
            raise DataError(
                f"plan {plan.number}: expected topic {plan.topic} to be {plan.topic_id}, found "
                f"{self._topics.topic_id}: it was recreated. The plan is dropped, the sensor "
                "makes the next one."
            )
        metadata = {"plan": plan.number, "model_version": plan.model_version, **metadata}
        self.score(plan.remaining(offsets_in(self.log.last())), model, metadata, on_batch)

    def score(
        self,
        ranges: Ranges,
        model: PinnedModel,
        metadata: Mapping[str, Any],
        on_batch: Callable[[ScoredBatch], None] = lambda batch: None,
    ) -> None:
        """Score, commit and publish the ranges in micro-batches.

        Args:
            ranges: a range for every partition, also empty ones; they begin at the last
                micro-batch's end.
            model: the model that scores.
            metadata: entries of each commit, in addition to its own figures.
            on_batch: called after each micro-batch.

        Raises:
            DataError: the ranges begin at other offsets.
            TopicChangedError: the topic was recreated during the read; nothing of it is kept.
            FencedError: another scorer has taken over.
        """
        remaining = dict(ranges)
        self._require_goes_on(remaining)
        while any(start < end for start, end in remaining.values()):
            started = time.perf_counter()
            chosen = next_ranges(remaining, self._max)
            behind = {p: (chosen[p][1], remaining[p][1]) for p in chosen}
            try:
                batch = self._engine.score(chosen, behind, self.log.number + 1, model)
                self._require_same_topic()
                is_committed = self._commit(batch, remaining, metadata)
            except BaseException:
                # the state may hold rows that are not committed
                self._engine.forget()
                raise
            if not is_committed:
                remaining = self._after_another(remaining)
                continue
            self._publish(batch)
            self.progress.seconds += time.perf_counter() - started
            for p, end in batch.end_offsets.items():
                remaining[p] = (end, remaining[p][1])
            on_batch(batch)

    def _require_goes_on(self, ranges: Ranges) -> None:
        """Require that ranges begin where the last micro-batch of this topic ended."""
        last = self.log.last()
        ends = offsets_in(last)
        if last and last["topic_id"] != self._topics.topic_id:
            raise self._topic_recreated(last["topic_id"], self._topics.topic_id)
        wrong = {
            p: (start, ends[p]) for p, (start, _) in ranges.items() if ends.get(p, start) != start
        }
        if wrong:
            words = ", ".join(f"partition {p}: {a}, not {b}" for p, (a, b) in sorted(wrong.items()))
            raise DataError(
                f"topic {self._topics.transactions}: expected ranges that begin at the offsets "
                f"committed last, found others ({words}): a gap was accepted since they were "
                "planned. Nothing was scored; the sensor makes the next plan."
            )

    def _require_same_topic(self) -> None:
        """Require that the messages are from the topic that was opened; checked once a second."""
        asked_at = time.monotonic()
        if asked_at - self._same_topic_at < _SAME_TOPIC_SECONDS:
            return
        found = self._publication.broker.topic_id(self._topics.transactions)
        if found != self._topics.topic_id:
            raise self._topic_recreated(self._topics.topic_id, found)
        self._same_topic_at = asked_at

    def _topic_recreated(self, expected: str, found: str) -> TopicChangedError:
        return TopicChangedError(
            f"topic {self._topics.transactions}: expected the topic {expected}, found {found}: it "
            "was deleted and recreated. Find the cause, then run `fraud-platform "
            f"{ACCEPT_GAP} --why ..` to continue."
        )

    def _after_another(self, ranges: Ranges) -> dict[int, tuple[int, int]]:
        """Take in a micro-batch that another scorer committed, and return the ranges after it.

        A fenced scorer may still win a number: its results are valid, and are published here. If
        this scorer is the fenced one, publishing raises the error.
        """
        self._engine.forget()
        self._publication.catch_up()
        self._engine.catch_up(self.log)
        ends = offsets_in(self.log.last())
        left = {p: (max(s, ends.get(p, s)), max(e, ends.get(p, e))) for p, (s, e) in ranges.items()}
        self._require_goes_on(left)
        return left

    def _commit(self, batch: ScoredBatch, ranges: Ranges, metadata: Mapping[str, Any]) -> bool:
        starts = {p: start for p, (start, _) in ranges.items()}
        metadata = {
            **metadata,
            "end_offsets": {**starts, **offsets_in(self.log.last()), **batch.end_offsets},
            "topic_id": self._topics.topic_id,
            "holder": self._holder,
            "engine": self._engine.name,
        }
        if not self.log.commit(batch, metadata):
            return False
        self._engine.committed(batch.number)
        self.progress.note(batch)
        return True

    def _publish(self, batch: ScoredBatch) -> None:
        rows = read_back(self._lake.files, self.log.urls(batch))
        self._note_latency(self.progress.durable_ms, rows)
        self._publication.publish(rows, batch.dead, self.log.last())
        self._note_latency(self.progress.published_ms, rows)
        if rows is not None:
            self.progress.probabilities.append(rows["fraud_probability"].to_numpy())

    def _note_latency(
        self, latencies: list[npt.NDArray[np.float64]], rows: pa.Table | None
    ) -> None:
        if rows is not None:
            produced = rows["produced_at"].cast(pa.int64()).to_numpy() / 1000
            latencies.append(time.time() * 1000 - produced)
