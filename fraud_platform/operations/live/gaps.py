"""Accepting a gap: messages of a topic that scoring or labels can no longer read.

Here: `accept_gap` and `accept_label_gap`, which commit the gap with its reason.
Not here: the commands (`fraud_platform.cli.live`), finding gaps (`fraud_platform.scoring.plans`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import DataError
from fraud_platform.operations.live.session import open_publication, topic_now
from fraud_platform.scoring import label_intake as label_intake
from fraud_platform.scoring.log import ScoredBatch, ScoringLog, offsets_in
from fraud_platform.scoring.plans import PlanLog, TopicNow, left_out, offsets_after_gap
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
)


def accept_gap(settings: Settings, why: str) -> str:
    """Let scoring continue at the broker's first messages; the log records what was left out.

    It holds the lease: it first publishes earlier commits, and then the gap's own commit, which
    also moves the group's offsets.

    Raises:
        DataError: there is nothing to accept.
    """
    lake, topic = Lake(settings.lake), settings.transactions_topic
    with closing(KafkaTopics(KafkaConnection.from_settings(settings))) as topics:
        log = ScoringLog(lake)
        # checked first, so that a mistaken command does not take the lease from a scorer
        _gap_ends(topic_now(topics, topic), log.last())
        with open_publication(settings, lake, topics) as publication:
            publication.take_lease()
            message = _commit_gap(publication.log, topic_now(topics, topic), why)
            publication.catch_up()
    return message


def _gap_ends(now: TopicNow, metadata: Mapping[str, Any]) -> dict[int, int]:
    ends = offsets_after_gap(now, metadata.get("topic_id"), offsets_in(metadata))
    if ends is None:
        raise DataError("there is no gap to accept: scoring continues where it stopped")
    return ends


def _commit_gap(log: ScoringLog, now: TopicNow, why: str) -> str:
    last = log.last()
    ends = _gap_ends(now, last)
    gap = left_out(offsets_in(last), ends)
    counts = {"messages_read": 0, "scored": 0, "dead_letters": 0, "duplicates": 0}
    empty = DEAD_LETTERS.arrow_schema.empty_table()
    second, front = last.get("stream_second"), last.get("front_second")
    batch = ScoredBatch(log.number + 1, [], empty, counts, ends, second, front_second=front)
    metadata = {"topic_id": now.topic_id, "end_offsets": ends, "gap": gap, "why": why}
    if not log.commit(batch, metadata):
        raise DataError("a scorer committed first: look again before you accept a gap")
    return f"micro-batch {batch.number} accepts {gap} because: {why}"


def accept_label_gap(settings: Settings, why: str, ask_again: Callable[[int], object]) -> str:
    """Let landing continue at the broker's first label messages; see `accept_gap`.

    The plan that failed because of the gap is requested again.

    Args:
        ask_again: asks again for the run of a plan, given its number.

    Raises:
        DataError: there is nothing to accept.
    """
    lake = Lake(settings.lake)
    with closing(KafkaTopics(KafkaConnection.from_settings(settings))) as topics:
        message = label_intake.accept_label_gap(
            lake, lambda: topic_now(topics, settings.labels_topic), why
        )
    if plan := PlanLog(lake).last():
        ask_again(plan.number)
    return message
