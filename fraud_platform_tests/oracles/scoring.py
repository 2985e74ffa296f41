"""What exactly-once scoring promises, judged from topics and tables alone.

Here: `judge`, which reads everything again with plain clients and lists every broken promise.
Not here: making streams or running scorers (`testing.worlds.scoring`).

It shares no code with the scorer: it identifies messages by what the sender knows of them.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import pandas as pd
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from deltalake import DeltaTable

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.storage.schemes import delta_options
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.waiting import comes_true

GROUP = "oracle"

SCORED, DUPLICATE = "scored", "duplicate"
_READ_SECONDS = 120.0


class Sent(NamedTuple):
    """A message as it was sent, and what must become of it: `scored`, `duplicate` or a reason."""

    key: bytes | None
    value: bytes | None
    outcome: str
    transaction_id: int | None


@dataclass
class Judgement:
    """What was found.

    Attributes:
        patience_seconds: see `judge`.
        problems: every broken promise, in words; empty if all were kept.
        figures: counts, for people.
        scores: probability by transaction.
    """

    patience_seconds: float
    problems: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)

    def expect(self, is_kept: bool, problem: str) -> None:
        if not is_kept:
            self.problems.append(problem)


def judge(
    settings: Settings,
    sent: Iterable[Sent],
    patience_seconds: float = 20.0,
    is_log_cleaned: bool = False,
) -> Judgement:
    """Judge all that scorers did with the messages of one transactions topic.

    Args:
        patience_seconds: how long what was published may take to reach its readers.
        is_log_cleaned: the log does not hold every commit any more, so commits are not judged one
            by one; rows, dead letters, predictions and the last commit are.
    """
    found = Judgement(patience_seconds)
    outcomes, bad_values = _outcomes(read_topic(settings, settings.transactions_topic), sent, found)
    options = delta_options(settings.lake)
    scored = DeltaTable(f"{settings.lake}/scored", storage_options=options)
    rows = scored.to_pandas()
    dead = DeltaTable(f"{settings.lake}/dead_letters", storage_options=options).to_pandas()
    _judge_rows(rows, outcomes, found)
    _judge_dead(dead, outcomes, bad_values, found)
    commits = _commits(scored)
    if not is_log_cleaned:
        _judge_commits(commits, rows, dead, outcomes, found)
    _judge_predictions(settings, rows, found)
    _judge_dead_letter_topic(settings, dead, found)
    _judge_group(settings, commits, found)
    found.scores = dict(zip(rows["transaction_id"], rows["fraud_probability"], strict=True))
    found.figures |= {
        "messages": len(outcomes),
        "scored": len(rows),
        "dead_letters": len(dead),
        "duplicates": sum(outcome == DUPLICATE for outcome in outcomes.values()),
        "micro_batches": len(commits),
    }
    return found


Place = tuple[int, int]
_Key = TypeVar("_Key")
"""Partition and offset."""


def _outcomes(
    arrived: Iterable[Message], sent: Iterable[Sent], found: Judgement
) -> tuple[dict[Place, Sent | str], dict[Place, bytes | None]]:
    """Return what must become of each offset, and the values of those that must not be scored.

    Copies of one message are identified by their order.
    """
    queues: dict[tuple[bytes | None, bytes | None], deque[Sent]] = {}
    count = 0
    for one in sent:
        queues.setdefault((one.key, one.value), deque()).append(one)
        count += 1
    outcomes: dict[Place, Sent | str] = {}
    bad_values = {}
    for message in arrived:
        queue = queues.get((message.key(), message.value()))
        if not queue:
            found.expect(False, f"nobody sent the message at {_place(message)}")
            continue
        one = queue.popleft()
        outcomes[_place(message)] = one if one.outcome == SCORED else one.outcome
        if one.outcome != SCORED:
            bad_values[_place(message)] = message.value()
    found.expect(len(outcomes) == count, f"{count} messages sent, {len(outcomes)} on the topic")
    return outcomes, bad_values


def _judge_rows(rows: pd.DataFrame, outcomes: dict[Place, Sent | str], found: Judgement) -> None:
    places = list(zip(rows["source_partition"], rows["source_offset"], strict=True))
    expected = {p: o.transaction_id for p, o in outcomes.items() if isinstance(o, Sent)}
    for what, values in (("ids", rows["transaction_id"].tolist()), ("offsets", places)):
        twice = [value for value, n in Counter(values).items() if n > 1]
        found.expect(not twice, f"{len(twice)} {what} scored twice, as {twice[:3]}")
    got = dict(zip(places, rows["transaction_id"], strict=True))
    found.expect(not (lost := expected.keys() - got), f"{len(lost)} lost, as {sorted(lost)[:3]}")
    found.expect(not (more := got.keys() - expected), f"scored, but must not be: {len(more)}")
    wrong = [p for p in expected.keys() & got.keys() if expected[p] != got[p]]
    found.expect(not wrong, f"other ids than sent at {wrong[:3]}")


def _judge_dead(
    dead: pd.DataFrame,
    outcomes: dict[Place, Sent | str],
    bad_values: dict[Place, bytes | None],
    found: Judgement,
) -> None:
    dead_places = list(zip(dead["source_partition"], dead["source_offset"], strict=True))
    twice = [place for place, n in Counter(dead_places).items() if n > 1]
    found.expect(not twice, f"{len(twice)} dead letters twice, as {twice[:3]}")
    reasons = {p: o for p, o in outcomes.items() if isinstance(o, str) and o != DUPLICATE}
    got_reasons = dict(zip(dead_places, dead["reason"], strict=True))
    differing = {p for p in reasons.keys() | got_reasons if reasons.get(p) != got_reasons.get(p)}
    found.expect(not differing, f"dead letters missing, too many or misnamed: {len(differing)}")
    changed = [
        place
        for place, value in zip(dead_places, dead["message_value"], strict=True)
        if bad_values.get(place) != value
    ]
    found.expect(not changed, f"dead letters with other bytes than arrived: {changed[:3]}")


def _commits(table: DeltaTable) -> list[dict[str, Any]]:
    metadata = [json.loads(c["said"]) for c in table.history() if c.get("application") == "scoring"]
    return metadata[::-1]


def _judge_commits(
    commits: list[dict[str, Any]],
    rows: pd.DataFrame,
    dead: pd.DataFrame,
    outcomes: dict[Place, Sent | str],
    found: Judgement,
) -> None:
    numbers = [commit["number"] for commit in commits]
    found.expect(numbers == list(range(1, len(numbers) + 1)), f"numbers with gaps: {numbers}")
    batch_of: dict[tuple[int, int], int] = {}
    for table in (rows, dead):
        columns = (table[n] for n in ("source_partition", "source_offset", "micro_batch"))
        batch_of |= {(p, o): b for p, o, b in zip(*columns, strict=True)}
    at: dict[int, int] = {}
    for commit in commits:
        counts = commit["counts"]
        ended = counts["scored"] + counts["dead_letters"] + counts["duplicates"]
        name = f"micro-batch {commit['number']}"
        found.expect(counts["messages_read"] == ended, f"{name} does not conserve: {counts}")
        ends = {int(p): end for p, end in commit["end_offsets"].items()}
        covered = [(p, o) for p, end in ends.items() for o in range(at.get(p, 0), end)]
        found.expect(
            all(end >= at.get(p, 0) for p, end in ends.items()), f"{name} goes back: {ends}"
        )
        own = Counter(
            DUPLICATE if outcomes.get(place) == DUPLICATE else "kept" for place in covered
        )
        found.expect(
            counts["duplicates"] == own[DUPLICATE] and counts["messages_read"] == len(covered),
            f"{name} counts {counts}, its offsets hold {dict(own)}",
        )
        strange = [p for p in covered if batch_of.get(p, commit["number"]) != commit["number"]]
        found.expect(not strange, f"offsets of {name} lie under another number: {strange[:3]}")
        at |= ends
    missing = [place for place in outcomes if place[1] >= at.get(place[0], 0)]
    found.expect(not missing, f"{len(missing)} offsets were never read")


def _judge_predictions(settings: Settings, rows: pd.DataFrame, found: Judgement) -> None:
    columns = (
        "transaction_id", "customer_id", "fraud_probability", "is_alert", "threshold",
        "model_version", "source_partition", "source_offset",
    )  # fmt: skip
    # hashes, since the tuples of a million rows are too much to hold twice
    wanted = Counter(map(hash, zip(*(rows[name].tolist() for name in columns), strict=True)))

    def read() -> Counter[int]:
        published: Counter[int] = Counter()
        for message in read_topic(settings, settings.predictions_topic):
            metadata = json.loads(message.value() or b"")
            metadata["customer_id"] = int(message.key() or b"")
            published[hash(tuple(metadata[name] for name in columns))] += 1
        return published

    _equal_soon("predictions", wanted, read, found)


def _judge_dead_letter_topic(settings: Settings, dead: pd.DataFrame, found: Judgement) -> None:
    names = ("reason", "source_partition", "source_offset")
    columns = [dead[name].astype(str).tolist() for name in names]
    bodies = [dead[name].tolist() for name in ("message_key", "message_value")]
    wanted = Counter(zip(*columns, *bodies, strict=True))

    def read() -> Counter[tuple[object, ...]]:
        published: Counter[tuple[object, ...]] = Counter()
        for message in read_topic(settings, settings.dead_letters_topic):
            headers: dict[str, Any] = dict(message.headers() or {})
            output = (headers[name].decode() for name in names)
            published[*output, message.key(), message.value()] += 1
        return published

    _equal_soon("dead letters on the topic", wanted, read, found)


def _equal_soon(
    what: str, wanted: Counter[_Key], read: Callable[[], Counter[_Key]], found: Judgement
) -> None:
    """Compare, again while a transaction may still be on its way to its readers."""
    comes_true(lambda: read().total() >= wanted.total(), found.patience_seconds, every=0.2)
    published = read()
    missing, more = wanted - published, published - wanted
    found.expect(not missing, f"{missing.total()} {what} missing")
    found.expect(not more, f"{more.total()} {what} too many")
    found.figures[what] = published.total()


def _judge_group(settings: Settings, commits: list[dict[str, Any]], found: Judgement) -> None:
    ends = {int(p): end for p, end in commits[-1]["end_offsets"].items()} if commits else {}
    consumer = _consumer(settings, "fraud-platform-scorer")
    try:
        asked = [TopicPartition(settings.transactions_topic, p) for p in ends]
        group = {p.partition: p.offset for p in consumer.committed(asked, 10)}
    finally:
        consumer.close()
    found.expect(group == ends, f"the group stands at {group}, the table at {ends}")


def _place(message: Message) -> Place:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def read_topic(settings: Settings, topic: str) -> Iterator[Message]:
    """Yield every committed message of a topic, each partition's in order."""
    consumer = _consumer(settings, GROUP)
    try:
        partitions = list(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        left: set[int | None] = set(partitions)
        limit = time.monotonic() + _READ_SECONDS
        while left:
            assert time.monotonic() < limit, f"{topic} does not end"
            for message in consumer.consume(1_000, 0.05):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise AssertionError(str(error))
    finally:
        consumer.close()


def _consumer(settings: Settings, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest",
            **KafkaConnection.from_settings(settings).access.client_options(),
        }
    )
