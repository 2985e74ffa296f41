"""Labels from the topic into `topic_labels`, each message once.

Here: the contract's rules for a label message, and `land_labels`, which continues where the last
landing ended.
Not here: from when a label counts (`scoring.labels`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.scoring_tables import DEAD_LABELS, LANDING, TOPIC_LABELS
from fraud_platform.errors import DataError
from fraud_platform.scoring.cutting import next_ranges
from fraud_platform.scoring.files import write_rows
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.scoring.plans import (
    ACCEPT_LABEL_GAP,
    TopicNow,
    check_topic,
    left_out,
    offsets_behind_gap,
)

if TYPE_CHECKING:
    from fraud_platform.adapters.lake import Lake
    from fraud_platform.scoring.ports import Source

MAX_LANDING_MESSAGES = 1_000_000
_MAX_ID = 10**18 - 1
_SCENARIOS = range(4)
_NOTHING = {"labels": 0, "dead_labels": 0}


@dataclass(frozen=True)
class Label:
    """A valid label message."""

    transaction_id: int
    is_fraud: bool
    fraud_scenario: int
    known_at: datetime


def read_label(value: bytes | None) -> Label:
    """Read a label message.

    Raises:
        ValueError: it is none; the message says why.
    """
    fields = json.loads((value or b"").decode("utf-8"))
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    transaction, is_fraud = fields.get("transaction_id"), fields.get("is_fraud")
    scenario, known_at = fields.get("fraud_scenario"), fields.get("known_at")
    if type(transaction) is not int or not 0 <= transaction <= _MAX_ID:
        raise ValueError("transaction_id is no id of at most 18 digits")
    if type(is_fraud) is not bool or type(scenario) is not int or scenario not in _SCENARIOS:
        raise ValueError("is_fraud is no boolean, or fraud_scenario not 0 to 3")
    if is_fraud != (scenario > 0):
        raise ValueError("is_fraud and fraud_scenario disagree")
    if not isinstance(known_at, str):
        raise ValueError("known_at is no text")
    moment = datetime.strptime(known_at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    if not 2000 <= moment.year < 2100:
        raise ValueError("known_at is outside of the years 2000 to 2099")
    return Label(transaction, is_fraud, scenario, moment)


def land_labels(
    lake: Lake, source: Source, now: TopicNow, stream_second: int | None
) -> Mapping[str, int]:
    """Land what the labels topic has got since the last landing, in one commit.

    After a long while that is the first `MAX_LANDING_MESSAGES` of it: call again for the rest.

    Args:
        now: the labels topic as the broker has it.
        stream_second: stream time, from which it follows whether a label is late.

    Returns:
        Counts: `labels` landed, `dead_labels`; both 0 where there was nothing new, or where
        another scorer landed it first.

    Raises:
        OffsetGapError, TopicChangedError: see `scoring.plans.check_topic`.
    """
    tables = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING)
    tables.settle()
    said = tables.results.metadata()
    done = {int(p): end for p, end in said.get("end_offsets", {}).items()}
    check_topic(now, said.get("topic_id"), done, ACCEPT_LABEL_GAP)
    waiting = {p: (done.get(p, low), high) for p, (low, high) in now.offsets.items()}
    new = next_ranges(waiting, MAX_LANDING_MESSAGES)
    if not new:
        return _NOTHING
    number = tables.results.number + 1
    good, dead = _read(Messages.join(list(source.read(new))), number, stream_second)
    metadata = {
        "topic_id": now.topic_id,
        "end_offsets": {p: new.get(p, (at, at))[1] for p, (at, _) in waiting.items()},
    }
    files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, good)
    if not tables.commit(number, files, dead, metadata):
        return _NOTHING
    return {"labels": good.num_rows, "dead_labels": dead.num_rows}


def accept_label_gap(lake: Lake, now: TopicNow, why: str) -> str:
    """Let the next landing begin where the broker's messages do; return what was left out.

    Raises:
        DataError: there is nothing to accept, or labels landed meanwhile.
    """
    tables = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING)
    tables.settle()
    said = tables.results.metadata()
    done = {int(p): end for p, end in said.get("end_offsets", {}).items()}
    ends = offsets_behind_gap(now, said.get("topic_id"), done)
    if ends is None:
        raise DataError("there is no gap to accept: labels land from where they stopped")
    number, gap = tables.results.number + 1, left_out(done, ends)
    metadata = {"topic_id": now.topic_id, "end_offsets": ends, "gap": gap, "why": why}
    if not tables.commit(number, [], DEAD_LABELS.arrow_schema.empty_table(), metadata):
        raise DataError("labels landed meanwhile: look again before you accept anything")
    return f"landing {number} accepts {gap} because: {why}"


def _read(messages: Messages, number: int, stream_second: int | None) -> tuple[pa.Table, pa.Table]:
    landed_at = None if stream_second is None else datetime.fromtimestamp(stream_second, UTC)
    good: list[dict[str, Any]] = []
    dead: list[dict[str, Any]] = []
    order = np.lexsort((messages.offset, messages.partition))
    for i in order.tolist():
        source = {
            "landing": number,
            "source_partition": int(messages.partition[i]),
            "source_offset": int(messages.offset[i]),
        }
        try:
            label = read_label(messages.values[i])
        except (ValueError, RecursionError) as error:
            dead.append(
                {
                    "detail": str(error)[:200],
                    "message_key": messages.keys[i],
                    "message_value": messages.values[i],
                    **source,
                }
            )
            continue
        good.append({**vars(label), "source": "topic", "landed_at": landed_at, **source})
    return (
        pa.Table.from_pylist(good, schema=TOPIC_LABELS.arrow_schema),
        pa.Table.from_pylist(dead, schema=DEAD_LABELS.arrow_schema),
    )
