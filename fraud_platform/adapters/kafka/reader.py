"""Reading exact ranges of offsets, as columns.

Here: one reader, its chunks, and the errors of ranges that cannot be read.
Not here: which ranges are read (the planner), what messages mean (`fraud_platform.scoring`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from numpy.typing import NDArray

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.contracts.messages import READER_GROUP, Messages
from fraud_platform.errors import OffsetGapError

CHUNK_MESSAGES = 10_000
_QUEUED_MESSAGES, _QUEUED_KBYTES = 200_000, 128 * 1024
_WORKER_MESSAGES, _WORKER_KBYTES = 30_000, 16 * 1024
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 3.0
_AHEAD_MESSAGES, _AHEAD_BYTES = 500_000, 64 * 1024 * 1024


@dataclass(frozen=True)
class TopicOpener:
    """Opens a reader of a topic in another process, maybe on another machine.

    Attributes:
        connection: its CA must be in the connection itself; see `KafkaConnection.portable`.
    """

    connection: KafkaConnection
    topic: str
    stall_seconds: float

    def open(self) -> RangeReader:
        """Return a reader that fetches little in advance: the next range may go to another."""
        return RangeReader(
            self.connection,
            self.topic,
            stall_seconds=self.stall_seconds,
            queued_messages=_WORKER_MESSAGES,
            queued_kbytes=_WORKER_KBYTES,
        )


def _columns(batch: list[Message]) -> Messages:
    count = len(batch)
    return Messages(
        np.fromiter(map(Message.partition, batch), np.int32, count),
        np.fromiter(map(Message.offset, batch), np.int64, count),
        np.fromiter((stamp for _, stamp in map(Message.timestamp, batch)), np.int64, count),
        list(map(Message.key, batch)),
        list(map(Message.value, batch)),
    )


class RangeReader:
    """Reads exactly [start, end) of each partition of one topic.

    Guarantee: every message in the ranges once and no other, or an error; nothing is skipped
    silently. The reader commits no offset. Ranges that continue where the last ended need no seek:
    messages fetched beyond them are buffered here.

    Args:
        topic: the topic.
        isolation: `read_uncommitted` shows messages of open and aborted transactions too.
        stall_seconds: longest time without progress; what other partitions get is none.
        queued_messages, queued_kbytes: how much the client fetches in advance.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
        stall_seconds: float = 30.0,
        queued_messages: int = _QUEUED_MESSAGES,
        queued_kbytes: int = _QUEUED_KBYTES,
    ) -> None:
        self._connection, self._topic, self._stall_seconds = connection, topic, stall_seconds
        self._errors = ClientErrors()
        self._consumer = Consumer(
            connection.config(
                self._errors,
                # A group is demanded of every consumer; this one neither joins nor commits.
                group_id=READER_GROUP,
                isolation_level=isolation,
                auto_offset_reset="error",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                queued_min_messages=queued_messages,
                queued_max_messages_kbytes=queued_kbytes,
                # The broker answers with this much, or after this long: else every message that
                # comes is a request. A new place to read from waits as long.
                fetch_min_bytes=64 * 1024,
                fetch_wait_max_ms=20,
                # Small, so that partitions take turns and little waits of those ahead.
                fetch_message_max_bytes=512 * 1024,
                # The default waits a whole second once the queue was full.
                fetch_queue_backoff_ms=5,
            )
        )
        # Next offset to hand out and to fetch; between them lies what waits in `_ahead`.
        self._next: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._ahead: dict[int, list[Messages]] = {}
        self._paused: set[int] = set()
        # The client fetches no more of a partition whose offset the broker does not have.
        self._dead: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        """Yield the messages of [start, end) of each partition, in chunks.

        Raises:
            OffsetGapError: a range begins below, or ends above, what the broker holds.
            TopicChangedError: the topic or a partition is missing.
            Outage: no progress within `stall_seconds`.
        """
        following = self._assigned({p: start for p, (start, _) in ranges.items()})
        ends = np.zeros(max(following, default=0) + 1, np.int64)
        ends[list(ranges)] = [end for _, end in ranges.values()]
        if waited := [part for p, (_, end) in ranges.items() for part in self._waited(p, end)]:
            yield Messages.join(waited)
        self._resume([p for p in self._paused if self._position[p] < ends[p]])
        least, progress_at = math.inf, time.monotonic()
        while missing := sum(max(0, e - self._position[p]) for p, (_, e) in ranges.items()):
            if missing < least:
                least, progress_at = missing, time.monotonic()
            elif time.monotonic() - progress_at > self._stall_seconds:
                raise self._stalled(ranges)
            if batch := self._consume(min(missing, CHUNK_MESSAGES), ranges):
                yield from self._within(_columns(batch), ends)
                self._pause_those_far_ahead(ends)
        self._next = {**following, **{p: end for p, (_, end) in ranges.items()}}

    def go_to(self, starts: Mapping[int, int]) -> None:
        """Begin to fetch from these offsets, and wait until the broker has answered once.

        A client that was just assigned takes a tenth of a second to its first message. A broker
        that takes seconds is not waited for: the next `read` reports it.

        Raises:
            OffsetGapError: an offset is none that the broker has, or will give next.
        """
        following = self._assigned(starts)
        ends = np.zeros(max(starts, default=0) + 1, np.int64)
        ends[list(starts)] = list(starts.values())
        wanted = {p: (start, start + 1) for p, start in starts.items()}
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not all(map(self._is_fetching, starts)) and time.monotonic() < deadline:
            if batch := self._consume(1, wanted):
                for _ in self._within(_columns(batch), ends):
                    raise AssertionError("nothing lies below where reading starts")
        self._next = following

    def _is_fetching(self, partition: int) -> bool:
        known = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, partition), cached=True
        )
        return bool(known) and known[1] >= 0

    def _assigned(self, starts: Mapping[int, int]) -> dict[int, int]:
        """Assign the partitions at their starts, unless every one continues.

        Until that is done nothing is known to continue, so that one given up starts afresh.
        """
        following, self._next = self._next, {}
        if all(following.get(p) == s and p not in self._dead for p, s in starts.items()):
            return following
        # The client keeps a pause over a new assignment: it would never fetch that partition again.
        self._resume(list(self._paused))
        self._ahead, self._dead = {}, set()
        self._position = dict(starts)
        self._consumer.assign([TopicPartition(self._topic, p, o) for p, o in starts.items()])
        self._await_assignment()
        return dict(starts)

    def _await_assignment(self) -> None:
        """Wait until the client has left the old assignment; until then it reports old positions.

        A position of the old assignment beyond the new range would end it with nothing read.
        """
        deadline = time.monotonic() + self._stall_seconds
        while any(partition.offset >= 0 for partition in self._positions()):
            if time.monotonic() > deadline:
                detail = f"no new assignment within {self._stall_seconds:.0f} s"
                raise self._connection.outage(self._what, self._errors, detail)
            time.sleep(0.001)

    def _positions(self) -> list[TopicPartition]:
        """Return the next offset of each assigned partition; negative if none was fetched."""
        return self._consumer.position([TopicPartition(self._topic, p) for p in self._position])

    def _consume(self, count: int, ranges: Mapping[int, tuple[int, int]]) -> list[Message]:
        """Fetch messages of any assigned partition and note the positions.

        What is there already is taken in one go; else up to `count` messages are waited for.
        """
        try:
            batch = self._consumer.consume(CHUNK_MESSAGES, 0)
            batch = batch or self._consumer.consume(count, _POLL_SECONDS)
            if any(map(Message.error, batch)):
                batch = [message for message in batch if not self._is_error(message, ranges)]
            for partition in self._positions():
                if partition.offset >= 0:
                    self._position[partition.partition] = partition.offset
        except KafkaException as error:
            raise self._connection.translate(self._what, error, self._errors) from None
        return batch

    def _is_error(self, message: Message, ranges: Mapping[int, tuple[int, int]]) -> bool:
        """Return whether this is an error, not a message; raise it if it concerns the ranges."""
        error = message.error()
        if error is None:
            return False
        partition = message.partition() or 0
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            raise self._connection.translate(self._what, KafkaException(error), self._errors)
        start, end = ranges.get(partition, (0, 0))
        if start < end:
            raise self._gap(partition, start, end, error.str())
        self._dead.add(partition)
        return True

    def _within(self, chunk: Messages, ends: NDArray[np.int64]) -> Iterator[Messages]:
        """Yield what lies below the ends and keep the rest for the next ranges."""
        is_within = chunk.offset < ends[chunk.partition]
        if is_within.all():
            yield chunk
            return
        for partition in np.unique(chunk.partition[~is_within]).tolist():
            beyond = np.flatnonzero(~is_within & (chunk.partition == partition))
            self._ahead.setdefault(partition, []).append(chunk.take(beyond))
        if is_within.any():
            yield chunk.take(np.flatnonzero(is_within))

    def _waited(self, partition: int, end: int) -> Iterator[Messages]:
        """Yield what waits of a partition below an end; the rest waits on."""
        parts = self._ahead.pop(partition, [])
        for number, part in enumerate(parts):
            cut = int(np.searchsorted(part.offset, end))
            if cut:
                yield part.part(0, cut)
            if cut < len(part):
                self._ahead[partition] = [part.part(cut, len(part)), *parts[number + 1 :]]
                return

    def _pause_those_far_ahead(self, ends: NDArray[np.int64]) -> None:
        """Stop fetching partitions that are done, once what waits of them grows large."""
        waiting = [part for parts in self._ahead.values() for part in parts]
        if (
            sum(map(len, waiting)) <= _AHEAD_MESSAGES
            and sum(part.size_bytes for part in waiting) <= _AHEAD_BYTES
        ):
            return
        far = [p for p, at in self._position.items() if at >= ends[p] and p not in self._paused]
        self._consumer.pause([TopicPartition(self._topic, p) for p in far])
        self._paused.update(far)

    def _resume(self, partitions: list[int]) -> None:
        self._consumer.resume([TopicPartition(self._topic, p) for p in partitions])
        self._paused.difference_update(partitions)

    def _stalled(self, ranges: Mapping[int, tuple[int, int]]) -> Exception:
        """Return why nothing more arrives."""
        for partition, (start, end) in ranges.items():
            at = self._position[partition]
            if at < end:
                try:
                    _, high = self._consumer.get_watermark_offsets(
                        TopicPartition(self._topic, partition), timeout=_ANSWER_SECONDS
                    )
                except KafkaException as error:
                    return self._connection.translate(self._what, error, self._errors)
                if high < end:
                    return self._gap(partition, start, end, "no such message yet")
        return self._connection.outage(
            self._what, self._errors, f"no message within {self._stall_seconds:.0f} s"
        )

    def _gap(self, partition: int, start: int, end: int, detail: str) -> Exception:
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_ANSWER_SECONDS
            )
        except KafkaException as error:
            return self._connection.translate(self._what, error, self._errors)
        return OffsetGapError(
            f"{self._what}, partition {partition}: expected offsets {start} to {end}, found "
            f"{low} to {high} ({detail}). Below {low}, retention has deleted them; a topic that "
            f"ends before {end} was truncated or created anew."
        )

    @property
    def _what(self) -> str:
        return f"reading topic {self._topic}"
