"""Replaying a drop as a live stream.

Here: pacing, sending transactions with their labels in stream time, counting acknowledgements.
Not here: the rows of drops (`operations.live.drop_rows`), the messages themselves
(`fraud_platform.simulation.stream`), the client (`adapters.kafka.producers`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.deliveries import Delivered
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.access import Role
from fraud_platform.contracts.active import LABEL_DELAY_DAYS
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings
from fraud_platform.settings.decisions import SEED
from fraud_platform.simulation.stream import (
    bad_messages,
    label_messages,
    moments,
    transaction_messages,
    with_late_rows,
)
from fraud_platform.simulation.stream_messages import BadMessage, StreamMessages

_CHUNK_ROWS = 20_000
_AHEAD_ROWS = 1_000
_SLICE_SECONDS = 0.02
_DELAY_SECONDS = LABEL_DELAY_DAYS * SECONDS_PER_DAY


@dataclass(frozen=True)
class Pace:
    """How fast a stream is produced.

    Attributes:
        rate: transactions a second, or None.
        speedup: seconds of stream time a second, or None. Without either: as fast as possible.
    """

    rate: float | None = None
    speedup: float | None = None

    @classmethod
    def parse(cls, rate: str, speedup: float | None) -> Pace:
        """Return the requested pace; a speedup takes precedence over the rate.

        Raises:
            SettingsError: the rate is not above 0 and not `max`, or the speedup is not above 0.
        """
        try:
            number = None if rate == "max" else float(rate)
        except ValueError:
            number = 0.0
        if (number is not None and not 0 < number < inf) or (
            speedup is not None and not 0 < speedup < inf
        ):
            asked = f"--rate {rate}" if speedup is None else f"--speedup {speedup}"
            raise SettingsError(
                f"expected --rate above 0 or max, or --speedup above 0, found {asked}. Use for "
                "example --rate 400."
            )
        return cls(speedup=speedup) if speedup is not None else cls(rate=number)

    def due_seconds(
        self, numbers: NDArray[np.int64], ages: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return when transactions are due, in seconds after the start."""
        if self.speedup is not None:
            return ages / self.speedup
        return numbers / self.rate if self.rate else np.zeros(len(numbers))


@dataclass(frozen=True)
class Extras:
    """What is produced in addition to the transactions.

    Attributes:
        labels: whether to send each label when stream time reaches its known_at.
        all_labels: whether to send, at the end, the labels that stream time did not reach.
        dirty: bad messages for each good one.
        seed: seed of the bad messages and of the late ones.
        late: share of the transactions that come an hour to two days after their turn.
    """

    labels: bool = False
    all_labels: bool = False
    dirty: float = 0.0
    seed: int = SEED
    late: float = 0.0


@dataclass
class Produced:
    """What a replay sent, and how much of it the broker acknowledged."""

    transactions: int = 0
    labels: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    delivered: Delivered = field(default_factory=lambda: Delivered(0, 0, 0))
    is_stopped: bool = False

    def __str__(self) -> str:
        parts = [f"{self.transactions:,} transactions"]
        if self.labels:
            parts.append(f"{self.labels:,} labels")
        if self.bad:
            kinds = ", ".join(f"{reason} {n:,}" for reason, n in sorted(self.bad.items()))
            parts.append(f"{self.bad.total():,} bad messages ({kinds})")
        stopped = "stopped; " if self.is_stopped else ""
        return f"{stopped}{' and '.join(parts)} sent, {self.delivered.acked:,} acknowledged"


def produce(
    rows: pl.DataFrame,
    settings: Settings,
    pace: Pace,
    extras: Extras,
    advance: Callable[[int], None] = lambda count: None,
) -> Produced:
    """Produce rows as messages, keyed by customer, until done or Ctrl-C.

    Args:
        rows: rows of `transactions`, in stream order.
        advance: called with the number of transactions sent since the last call.

    Raises:
        DeliveryError: the broker did not acknowledge every message.
        TopicChangedError: a topic is missing.
        Outage: the broker does not answer.
    """
    connection = KafkaConnection.from_settings(settings, Role.PRODUCER)
    topics = [settings.transactions_topic, *([settings.labels_topic] if extras.labels else [])]
    for topic in topics:
        Topics(connection).describe(topic)
    producer = IdempotentProducer(connection)
    if extras.late:
        rows = with_late_rows(rows, extras.late, extras.seed)
    replay = _Replay(rows, settings, producer, extras)
    try:
        for start, stop in _slices(replay.fronts, pace):
            replay.send(start, stop)
            advance(stop - start)
        if extras.all_labels:
            replay.send_labels(rows.height)
    except KeyboardInterrupt:
        replay.produced.is_stopped = True
    replay.produced.delivered = producer.finish()
    return replay.produced


class _Replay:
    """One replay's position among transactions and labels."""

    def __init__(
        self, rows: pl.DataFrame, settings: Settings, producer: IdempotentProducer, extras: Extras
    ) -> None:
        self.produced = Produced()
        self._rows = rows
        self.fronts = np.maximum.accumulate(moments(rows))
        """The latest time among each transaction and those before it."""
        self._settings, self._producer, self._extras = settings, producer, extras
        self._made_from = self._made_until = 0

    def send(self, start: int, stop: int) -> None:
        """Send the transactions [start, stop), bad messages among them, and labels now known."""
        topic, good, sent = self._settings.transactions_topic, self._good(start, stop), 0
        for bad in self._bad(start, stop):
            after = bad.after + 1
            self._producer.send_many(topic, good.keys[sent:after], good.values[sent:after])
            sent = max(sent, after)
            self._producer.send(topic, bad.key, bad.value)
            self.produced.bad[bad.reason] += 1
        self._producer.send_many(topic, good.keys[sent:], good.values[sent:])
        self.produced.transactions += stop - start
        if self._extras.labels:
            known = self.fronts[stop - 1] - _DELAY_SECONDS
            self.send_labels(int(np.searchsorted(self.fronts, known, "right")))

    def _good(self, start: int, stop: int) -> StreamMessages:
        """Return the messages of [start, stop), built ahead in groups: singly they cost most."""
        if stop > self._made_until:
            self._made_from, self._made_until = start, max(stop, start + _AHEAD_ROWS)
            self._made = transaction_messages(self._rows[start : self._made_until])
        part = slice(start - self._made_from, stop - self._made_from)
        return StreamMessages(self._made.keys[part], self._made.values[part])

    def _bad(self, start: int, stop: int) -> list[BadMessage]:
        if not self._extras.dirty:
            return []
        rows, seed = self._rows[start:stop], self._extras.seed + start
        return bad_messages(rows, self._extras.dirty, seed, each_kind=start == 0)

    def send_labels(self, stop: int) -> None:
        """Send the labels of the transactions before `stop` that were not sent yet."""
        while (start := self.produced.labels) < stop:
            rows = self._rows[start : min(stop, start + _CHUNK_ROWS)]
            labels = label_messages(rows)
            self._producer.send_many(self._settings.labels_topic, labels.keys, labels.values)
            self.produced.labels += len(rows)


def _slices(stream_time: NDArray[np.int64], pace: Pace) -> Iterator[tuple[int, int]]:
    """Yield [start, stop) of the rows that are due, waiting in between."""
    began, sent = time.monotonic(), 0
    due = pace.due_seconds(np.arange(len(stream_time)), stream_time - stream_time[0])
    while sent < len(due):
        elapsed = time.monotonic() - began
        stop = min(int(np.searchsorted(due, elapsed, "right")), sent + _CHUNK_ROWS)
        if stop > sent:
            yield sent, stop
            sent = stop
        else:
            time.sleep(max(0.0, min(due[sent] - elapsed, _SLICE_SECONDS)))
