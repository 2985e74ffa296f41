"""Labels from the topic into `topic_labels`, each message once.

Here: `Landings`: each landing continues where the previous one ended.
Not here: the rules for a label message (`scoring.messages.labels`), when a label counts
(`labels.book`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.active import LABEL_DELAY_DAYS
from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.errors import DataError
from fraud_platform.scoring.messages.labels import Label, read_labels
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.scoring.plans import (
    ACCEPT_LABEL_GAP,
    TopicNow,
    check_topic,
    left_out,
    offsets_after_gap,
)
from fraud_platform.stream.batching import next_ranges
from fraud_platform.stream.event_time import sane_arrivals
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import DEAD_LABELS, LANDING, TOPIC_LABELS

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import ScoredTables, Source

MAX_LANDING_MESSAGES = 1_000_000
MAX_KNOWN_AHEAD_DAYS = LABEL_DELAY_DAYS + 1
"""How far a label's known_at may lie ahead: a label delay, plus a day for differing clocks."""
_MAX_KNOWN_AHEAD = MAX_KNOWN_AHEAD_DAYS * SECONDS_PER_DAY
_NEIGHBORS = 25
_NOTHING = {"labels": 0, "dead_labels": 0}


class Landings:
    """Lands the new messages of the labels topic, one landing per call; the tables stay open.

    Args:
        lake: the lake with the tables.
    """

    def __init__(self, lake: ScoredTables) -> None:
        self._lake = lake
        self._tables = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING)

    def land(
        self, source: Source, topic_now: Callable[[], TopicNow], front_second: int | None
    ) -> Mapping[str, int]:
        """Land the messages since the last landing, in one commit.

        One landing takes at most `MAX_LANDING_MESSAGES`: call again for the rest.

        Args:
            source: reads the labels topic.
            topic_now: asks the broker for the labels topic. The committed offsets are read before;
                otherwise labels that others land in between would look like lost messages.
            front_second: the stream's front, which decides whether a label is late.

        Returns:
            Counts: `labels` landed, `dead_labels`; both 0 if there was nothing new, or if another
            scorer landed it first.

        Raises:
            OffsetGapError, TopicChangedError: see `scoring.plans.check_topic`.
        """
        lake, tables = self._lake, self._tables
        tables.settle()
        last_commit = tables.results.metadata()
        done = {int(p): end for p, end in last_commit.get("end_offsets", {}).items()}
        now = topic_now()
        check_topic(now, last_commit.get("topic_id"), done, ACCEPT_LABEL_GAP)
        waiting = {p: (done.get(p, low), high) for p, (low, high) in now.offsets.items()}
        new = next_ranges(waiting, MAX_LANDING_MESSAGES)
        if not new:
            return _NOTHING
        number = tables.results.number + 1
        good, dead = split_labels(Messages.join(list(source.read(new))), number, front_second)
        ends = {p: new.get(p, (at, at))[1] for p, (at, _) in waiting.items()}
        # a topic recreated during the read has other messages at these offsets
        check_topic(topic_now(), now.topic_id, ends, ACCEPT_LABEL_GAP)
        metadata = {"topic_id": now.topic_id, "end_offsets": ends}
        files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, good)
        if not tables.commit(number, files, dead, metadata):
            return _NOTHING
        return {"labels": good.num_rows, "dead_labels": dead.num_rows}


def settle_landings(lake: ScoredTables) -> None:
    """Add the dead labels of the last landing if its process died before it added them."""
    PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING).settle()


def accept_label_gap(lake: ScoredTables, topic_now: Callable[[], TopicNow], why: str) -> str:
    """Let the next landing begin where the broker's messages do; return what was left out.

    Raises:
        DataError: there is nothing to accept, or labels landed at the same time.
    """
    tables = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING)
    tables.settle()
    last_commit = tables.results.metadata()
    done = {int(p): end for p, end in last_commit.get("end_offsets", {}).items()}
    now = topic_now()
    ends = offsets_after_gap(now, last_commit.get("topic_id"), done)
    if ends is None:
        raise DataError("there is no gap to accept: landing continues where it stopped")
    number, gap = tables.results.number + 1, left_out(done, ends)
    metadata = {"topic_id": now.topic_id, "end_offsets": ends, "gap": gap, "why": why}
    if not tables.commit(number, [], DEAD_LABELS.arrow_schema.empty_table(), metadata):
        raise DataError("labels landed at the same time: look again before you accept a gap")
    return f"landing {number} accepts {gap} because: {why}"


def split_labels(
    messages: Messages, number: int, front_second: int | None
) -> tuple[pa.Table, pa.Table]:
    """Return the messages as rows of `topic_labels` and of `dead_labels`.

    Args:
        number: number of the landing.
        front_second: the stream's front; None if nothing was scored yet.
    """
    landed_at = None if front_second is None else datetime.fromtimestamp(front_second, UTC)
    messages = messages.take(np.lexsort((messages.offset, messages.partition)))
    labels, problems = read_labels(messages.values)
    for i in _known_too_far_ahead(messages, labels, front_second):
        problems[i] = (
            f"known_at {labels[i].known_at:%Y-%m-%d %H:%M:%S} is more than "  # type: ignore[union-attr]
            f"{MAX_KNOWN_AHEAD_DAYS} days ahead of arrival and of stream time"
        )
    good: list[dict[str, Any]] = []
    dead: list[dict[str, Any]] = []
    for i, (label, problem) in enumerate(zip(labels, problems, strict=True)):
        source = {
            "landing": number,
            "source_partition": int(messages.partition[i]),
            "source_offset": int(messages.offset[i]),
        }
        if problem or label is None:
            found = {"message_key": messages.keys[i], "message_value": messages.values[i]}
            dead.append({"detail": problem, **found, **source})
            continue
        good.append({**vars(label), "source": "topic", "landed_at": landed_at, **source})
    return (
        pa.Table.from_pylist(good, schema=TOPIC_LABELS.arrow_schema),
        pa.Table.from_pylist(dead, schema=DEAD_LABELS.arrow_schema),
    )


def _known_too_far_ahead(
    messages: Messages, labels: list[Label | None], front_second: int | None
) -> list[int]:
    """Return the places of labels that cannot be known yet, and would block later corrections.

    Labels of simulated months lie ahead of arrival and support each other: a label is refused only
    if most of its neighbors in the partition are not as far ahead.
    """
    places = np.flatnonzero([label is not None for label in labels])
    known = np.array([label.known_at.timestamp() for label in labels if label], np.int64)
    arrivals, _ = sane_arrivals(messages.timestamp_ms, time.time_ns() // 1_000_000)
    bound = np.maximum(arrivals[places] // 1000, front_second or 0) + _MAX_KNOWN_AHEAD
    refused = []
    for own in np.flatnonzero(known > bound).tolist():
        place = int(places[own])
        first, end = max(0, own - _NEIGHBORS), own + _NEIGHBORS + 1
        is_near = messages.partition[places[first:end]] == messages.partition[place]
        is_near[own - first] = False
        around = known[first:end][is_near]
        supported = 2 * np.count_nonzero(around >= known[own] - _MAX_KNOWN_AHEAD) > around.size
        if not supported and (around.size or front_second is not None):
            refused.append(place)
    return refused
