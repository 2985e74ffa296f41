"""The in-process engine: decode, features and model in this process, one file per micro-batch.

Here: `InProcessEngine`, the low-latency path.
Not here: committing and publishing (`scoring.scorer`), the engine on Spark
(`scoring.engines.spark`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.messages import Messages
from fraud_platform.kill_points import kill_point
from fraud_platform.rows.exceptions import NO_EXCEPTIONS, known_exceptions
from fraud_platform.scoring.engines.micro_batch import (
    BatchContext,
    PinnedModel,
    sample_messages,
    score_decoded,
    score_messages,
)
from fraud_platform.scoring.log import Offsets, ScoredBatch, ScoringLog
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.time_letters import TimeBounds, bound_times, carried_over
from fraud_platform.scoring.state.recovery import RecoveredState
from fraud_platform.stream.batching import Ranges, is_within_hour, with_followers
from fraud_platform.stream.event_time import sane_arrivals
from fraud_platform.stream.scored_counts import count_rows
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import SCORED

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import Source, StateTables


class InProcessEngine:
    """Scores micro-batches with a state held in memory.

    Args:
        lake: the tables.
        source: reads the transactions topic.
        state_version: the snapshot to start from.
        duplicate_horizon_days: how long an id is remembered, in stream time.
        max_ahead: seconds that an event may lie ahead; see `stream.event_time`.
    """

    name = "inprocess"

    def __init__(
        self,
        lake: StateTables,
        source: Source,
        state_version: str,
        duplicate_horizon_days: int,
        max_ahead: int,
    ) -> None:
        self._lake, self._source, self._max_ahead = lake, source, max_ahead
        self._state_version, self._horizon = state_version, duplicate_horizon_days
        self._recovered: RecoveredState | None = None
        self._exceptions = NO_EXCEPTIONS
        self._left: Messages | None = None

    def catch_up(self, log: ScoringLog) -> None:
        """Roll the state forward to the last committed micro-batch and the landed labels."""
        if self._recovered is None:
            self._recovered = RecoveredState(self._lake, self._state_version, self._horizon)
        self._recovered.catch_up(log)
        self._exceptions = known_exceptions(self._lake)

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Make the first message as fast as later ones: seek to it, run all code once on a copy."""
        assert self._recovered is not None
        self._source.go_to(starts)
        state = self._recovered.state
        state.live.settle()
        context = BatchContext(self._recovered.number + 1, model, self._state_version)
        score_messages(sample_messages(), state.fork(), context)

    def forget(self) -> None:
        """Drop the state, because it holds rows that were not committed."""
        self._recovered, self._left = None, None

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: PinnedModel) -> ScoredBatch:
        """Score a micro-batch; `committed` must follow, or `forget`.

        Args:
            ranges: offsets to read.
            behind: the rest of the plan after them; if it is empty for every partition, all of
                `ranges` is scored, otherwise the part within one hour.
        """
        assert self._recovered is not None
        state = self._recovered.state
        read = self._read(ranges, behind)
        arrivals, is_odd = sane_arrivals(read.timestamp_ms, time.time_ns() // 1_000_000)
        messages = read.stamped(arrivals)
        ends = {p: end for p, (_, end) in ranges.items()}
        # later messages are only evidence for event times; the next micro-batch scores them
        is_own = messages.offset < _by_partition(ends)[messages.partition]
        raw = decode(messages.keys, messages.values, self._exceptions)
        bounds = TimeBounds(
            copy(state.clock), self._recovered.carried, self._max_ahead, state.was_scored
        )
        decoded = bound_times(messages, raw, bounds)
        has_more = {p: end > start for p, (start, end) in behind.items()}
        seconds = decoded.event_seconds(len(messages))[is_own]
        keep = is_own.copy()
        keep[is_own] = is_within_hour(
            messages.partition[is_own].astype(np.int64), seconds, has_more
        )
        self._recovered.carried = carried_over(messages, raw, keep, bounds)
        if not keep.all():
            self._left = read.take(np.flatnonzero(~keep))
            for p in np.unique(self._left.partition).tolist():
                ends[p] = min(ends[p], int(self._left.offset[self._left.partition == p].min()))
            messages, decoded = messages.take(np.flatnonzero(keep)), decoded.where(keep)
        kill_point("scoring.read")
        context = BatchContext(number, model, self._state_version)
        odd = int(np.count_nonzero(is_odd & keep))
        batch = score_decoded(messages, decoded, state, context, odd)
        files = write_rows(self._lake.files, self._lake.uri(SCORED), SCORED, batch.scored)
        kill_point("scoring.scored_written")
        clock, days = state.clock, count_rows(batch.scored)
        ended = (clock.second, self._recovered.carried, days, clock.front)
        return ScoredBatch(number, files, batch.dead, batch.counts, ends, *ended)

    def committed(self, number: int) -> None:
        """Record that the micro-batch is committed; the state already holds it."""
        assert self._recovered is not None
        self._recovered.number = number

    def _read(self, ranges: Ranges, behind: Ranges) -> Messages:
        """Return the messages of the ranges and some after them, by partition and offset."""
        left = Messages.join([]) if self._left is None else self._left
        self._left = None
        unread = with_followers(ranges, behind)
        for p in np.unique(left.partition).tolist():
            after = _last(left, p) + 1
            unread[p] = (after, max(unread.get(p, (0, 0))[1], after))
        read = self._source.read({p: r for p, r in unread.items() if r[0] < r[1]})
        joined = Messages.join([left, *read])
        return joined.take(np.lexsort((joined.offset, joined.partition)))


def _last(messages: Messages, partition: int) -> int:
    return int(messages.offset[messages.partition == partition].max(initial=-1))


def _by_partition(ends: Mapping[int, int]) -> npt.NDArray[np.int64]:
    """Return ends by partition number, 0 for others."""
    found = np.zeros(max(ends, default=0) + 1, np.int64)
    found[list(ends)] = list(ends.values())
    return found
