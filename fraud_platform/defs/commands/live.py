"""A person's decisions on the live half: accept a gap, replay messages, repair a table.

Here: `accept_gap`, `accept_label_gap`, `replay_dead_letters`, `rescore_range`, `mend`.
Not here: the commands' options (`fraud_platform.cli.commands`), scoring (`fraud_platform.scoring`).
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.mending import mend_table
from fraud_platform.contracts.access import Role
from fraud_platform.contracts.time import HOURS_PER_DAY, LATE_DAYS, TILE_SECONDS
from fraud_platform.defs.automation.requests import ask_again, request_of, subject_of
from fraud_platform.errors import DataError
from fraud_platform.operations.live.session import load_model, open_publication, topic_now
from fraud_platform.operations.models.champion import known_digest
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.scoring import label_intake as label_intake
from fraud_platform.scoring.log import ScoredBatch, ScoringLog, offsets_in
from fraud_platform.scoring.messages.decode import judge_message
from fraud_platform.scoring.plans import PlanLog, TopicNow, left_out, offsets_behind_gap
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
    OF_MANY_COMMITS,
    RESCORED,
    SCORED,
    TOPIC_LABELS,
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
            said = _commit_gap(publication.log, topic_now(topics, topic), why)
            publication.catch_up()
    return said


def _gap_ends(now: TopicNow, said: Mapping[str, Any]) -> dict[int, int]:
    ends = offsets_behind_gap(now, said.get("topic_id"), offsets_in(said))
    if ends is None:
        raise DataError("there is no gap to accept: scoring continues where it stopped")
    return ends


def _commit_gap(log: ScoringLog, now: TopicNow, why: str) -> str:
    said = log.last()
    ends = _gap_ends(now, said)
    gap = left_out(offsets_in(said), ends)
    counts = {"messages_read": 0, "scored": 0, "dead_letters": 0, "duplicates": 0}
    empty = DEAD_LETTERS.arrow_schema.empty_table()
    batch = ScoredBatch(log.number + 1, [], empty, counts, ends, said.get("stream_second"))
    metadata = {"topic_id": now.topic_id, "end_offsets": ends, "gap": gap, "why": why}
    if not log.commit(batch, metadata):
        raise DataError("a scorer committed first: look again before you accept a gap")
    return f"micro-batch {batch.number} accepts {gap} because: {why}"


def accept_label_gap(settings: Settings, instance: dg.DagsterInstance, why: str) -> str:
    """Let landing continue at the broker's first label messages; see `accept_gap`.

    The plan that failed because of the gap is requested again.

    Raises:
        DataError: there is nothing to accept.
    """
    lake = Lake(settings.lake)
    with closing(KafkaTopics(KafkaConnection.from_settings(settings))) as topics:
        said = label_intake.accept_label_gap(
            lake, lambda: topic_now(topics, settings.labels_topic), why
        )
    if plan := PlanLog(lake).last():
        ask_again(instance, subject_of(request_of(plan.number)))
    return said


def replay_dead_letters(
    settings: Settings, reason: str | None, repair: Callable[[bytes], bytes] | None = None
) -> tuple[int, int]:
    """Send the dead letters that are now valid to the transactions topic again.

    Args:
        reason: only letters of this reason.
        repair: repairs a value before it is judged again.

    Returns:
        The numbers of letters sent and of letters still invalid.
    """
    lake = Lake(settings.lake)
    rows = lake.read_arrow(DEAD_LETTERS).to_pylist()
    wanted = [row for row in rows if reason is None or row["reason"] == reason]
    producer = IdempotentProducer(KafkaConnection.from_settings(settings, Role.PRODUCER))
    invalid, bounds = 0, _possible_seconds(settings, lake)
    for row in wanted:
        value = row["message_value"]
        if repair is not None and value is not None:
            value = repair(value)
        key = row["message_key"]
        judged = judge_message(key, value)
        if judged.reasons == ("wrong_key",) and value is not None:
            key = _own_key(value)
            judged = judge_message(key, value)
        if judged.reasons or not bounds[0] <= judged.contents[3] <= bounds[1]:
            invalid += 1
            continue
        producer.send(settings.transactions_topic, key, value)
    return producer.finish().acked, invalid


def _possible_seconds(settings: Settings, lake: Lake) -> tuple[int, int]:
    """Return the first and the last event time that a message may have now."""
    now, stream = int(time.time()), ScoringLog(lake).last().get("stream_second")
    if stream is None:
        return 0, now + settings.max_ahead_seconds
    oldest = stream - LATE_DAYS * HOURS_PER_DAY * TILE_SECONDS
    return oldest, max(now, stream) + settings.max_ahead_seconds


def rescore_range(settings: Settings, first_batch: int, last_batch: int, version: int) -> int:
    """Score rows of past micro-batches again with a given model, into a separate table.

    The original scores stay; the features are those frozen with the first score.

    Raises:
        DataError: there is no such micro-batch, or it is older than a feature of the model.
        UnknownModelError, ModelDamagedError: the model does not exist, or is damaged.
    """
    lake = Lake(settings.lake)
    model = load_model(registry_of(settings), version, known_digest(lake, version))
    names = list(model.candidate.feature_names)
    columns = ["transaction_id", "micro_batch", "fraud_probability", "is_alert", "model_version"]
    rows = lake.read_arrow(
        SCORED,
        filters=[("micro_batch", ">=", first_batch), ("micro_batch", "<=", last_batch)],
        columns=list(dict.fromkeys([*columns, *names])),
    )
    last = 0 if lake.open(SCORED) is None else ScoringLog(lake).number
    _require_rows(last, first_batch, last_batch, rows, names)
    matrix = np.column_stack([rows[name].to_numpy() for name in names]).astype(np.float32)
    probability = model.candidate.predict_probability(np.ascontiguousarray(matrix))
    table = pa.table(
        {
            "transaction_id": rows["transaction_id"],
            "micro_batch": rows["micro_batch"],
            "model_version": np.full(rows.num_rows, version),
            "fraud_probability": probability,
            "is_alert": probability >= model.candidate.threshold.value,
            "decided_by_version": rows["model_version"],
            "decided_probability": rows["fraud_probability"],
            "decided_alert": rows["is_alert"],
        }
    )
    lake.replace_arrow(
        RESCORED,
        table,
        f"model_version = {version} AND micro_batch >= {first_batch} "
        f"AND micro_batch <= {last_batch}",
    )
    return rows.num_rows


def _require_rows(
    last: int, first_batch: int, last_batch: int, rows: pa.Table, names: list[str]
) -> None:
    """Require that every micro-batch of a range exists, and that its rows have the features."""
    if not 1 <= first_batch <= last_batch <= last:
        there = f"1 to {last}" if last else "none yet"
        raise DataError(
            f"--range {first_batch}-{last_batch}: expected micro-batches that were scored, found "
            f"{there}. Give a range within these, the lower number first."
        )
    missing = [name for name in names if rows[name].null_count]
    if missing:
        batches = sorted(set(rows.filter(rows[missing[0]].is_null())["micro_batch"].to_pylist()))
        raise DataError(
            f"--range {first_batch}-{last_batch}: expected a value of each feature of the model, "
            f"found none of {', '.join(missing)} in micro-batches {batches[0]} to {batches[-1]}: "
            "they were scored before it was declared. Choose later ones, or another model."
        )


def _own_key(value: bytes) -> bytes | None:
    """Return the key that a message should have."""
    import json

    customer = json.loads(value).get("customer_id")
    return None if customer is None else str(customer).encode()


def mend(settings: Settings, name: str, why: str) -> str:
    """Remove repeated rows from a table of numbered commits; return what was done.

    Raises:
        DataError: there is no such table, or copies of a row differ; nothing was changed.
    """
    tables = {table.name: table for table in OF_MANY_COMMITS}
    if name not in tables:
        raise DataError(
            f"mend-table: expected one of {', '.join(tables)}, found {name}. Other tables are "
            "replaced whole by the runs that make them: materialize them again."
        )
    mended = mend_table(Lake(settings.lake), tables[name], why, getpass.getuser())
    if not mended.removed or name not in (SCORED.name, TOPIC_LABELS.name):
        return str(mended)
    return (
        f"{mended}. Data derived from it while rows counted twice stays wrong: features and "
        "scores since then, and snapshots and tiles of the stream. Materialize scoring_state and "
        "the days that came from the stream again; fraud-platform replay --range scores "
        "micro-batches again."
    )
