"""Carrying a plan out: score, commit, publish, again until its ranges are done.

Here: `Scorer`, the order of steps that makes results exactly-once whichever engine scores.
Not here: scoring (`scoring.engines.inprocess`, `scoring.engines.spark`), committing
(`scoring.log`), publishing (`scoring.publishing`), planning (`scoring.plans`).

The truth is the table `scored`: a micro-batch is done when its number is committed. What was
committed and not published is published first by whoever comes next. Two scorers on one topic: the
later fences the earlier, which stops at its next transaction; where one meets its number taken, it
takes the other's micro-batch in and publishes it, which tells it too whether it holds the lease.
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
"""Within which no topic is deleted, made anew and filled up to where reading was."""


class Engine(Protocol):
    """Turns ranges into a written micro-batch; see `scoring.engines.inprocess.InProcessEngine`."""

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
        publication: publishes them, and has the log and the topics.
        max_batch_messages: the most messages of one micro-batch.
        holder: who scores, noted in every commit.
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
        """Take the lease and publish what another left; return how many predictions that was."""
        late = self._publication.take_lease()
        self._engine.catch_up(self.log)
        return late

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Make ready to score from these offsets at once."""
        self._engine.warm_up(starts, model)

    def catch_up(self) -> None:
        """Take in what landed meanwhile."""
        self._engine.catch_up(self.log)

    def carry_out(
        self,
        plan: Plan,
        model: PinnedModel,
        said: Mapping[str, Any],
        on_batch: Callable[[ScoredBatch], None] = lambda batch: None,
    ) -> None:
        """Score what is left of a plan.

        Raises:
            DataError: it was given up, since a gap was accepted after it was made.
            FencedError: another scorer has taken over.
        """
        if plan.topic_id != self._topics.topic_id:
            raise DataError(
                f"plan {plan.number}: expected topic {plan.topic} to be {plan.topic_id}, found "
                f"{self._topics.topic_id}: it was made anew. The plan is given up, the sensor "
                "makes the next one."
            )
        said = {"plan": plan.number, "model_version": plan.model_version, **said}
        self.score(plan.remaining(offsets_in(self.log.last())), model, said, on_batch)

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
            DataError: they begin elsewhere.
            TopicChangedError: the topic was made anew while it was read; nothing of that is kept.
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
                is_committed = self._commit(batch, remaining, said)
            except BaseException:
                # the state may hold what is not committed
                self._engine.forget()
                raise
            if not is_committed:
                remaining = self._behind_another(remaining)
                continue
            self._publish(batch)
            self.progress.seconds += time.perf_counter() - started
            for p, end in batch.end_offsets.items():
                remaining[p] = (end, remaining[p][1])
            on_batch(batch)

    def _require_goes_on(self, ranges: Ranges) -> None:
        """Require that ranges begin where the last micro-batch ended, of this very topic."""
        last = self.log.last()
        ends = offsets_in(last)
        if last and last["topic_id"] != self._topics.topic_id:
            raise self._made_anew(last["topic_id"], self._topics.topic_id)
        wrong = {
            p: (start, ends[p]) for p, (start, _) in ranges.items() if ends.get(p, start) != start
        }
        if wrong:
            words = ", ".join(f"partition {p}: {a}, not {b}" for p, (a, b) in sorted(wrong.items()))
            raise DataError(
                f"topic {self._topics.transactions}: expected ranges that begin at the offsets "
                f"committed last, found others ({words}): a gap was accepted since they were "
                "planned. Nothing of them is scored; the sensor makes the next plan."
            )

    def _require_same_topic(self) -> None:
        """Require that what was read came from the topic that was opened; asked once a second."""
        asked_at = time.monotonic()
        if asked_at - self._same_topic_at < _SAME_TOPIC_SECONDS:
            return
        found = self._publication.broker.topic_id(self._topics.transactions)
        if found != self._topics.topic_id:
            raise self._made_anew(self._topics.topic_id, found)
        self._same_topic_at = asked_at

    def _made_anew(self, expected: str, found: str) -> TopicChangedError:
        return TopicChangedError(
            f"topic {self._topics.transactions}: expected the topic {expected}, found {found}: it "
            "was deleted and made anew. Look at what happened, then say `fraud-platform "
            f"{ACCEPT_GAP} --why ..` to go on."
        )

    def _behind_another(self, ranges: Ranges) -> dict[int, tuple[int, int]]:
        """Take in a micro-batch that another committed, and return what is left behind it.

        A scorer that was fenced may still win a number: its results are as good, and published
        here. Whoever is fenced learns it by that.
        """
        self._engine.forget()
        self._publication.catch_up()
        self._engine.catch_up(self.log)
        ends = offsets_in(self.log.last())
        left = {p: (max(s, ends.get(p, s)), max(e, ends.get(p, e))) for p, (s, e) in ranges.items()}
        self._require_goes_on(left)
        return left

    def _commit(self, batch: ScoredBatch, ranges: Ranges, said: Mapping[str, Any]) -> bool:
        starts = {p: start for p, (start, _) in ranges.items()}
        metadata = {
            **said,
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
