"""Replaying what is past: dead letters to the topic, micro-batches with another model.

Here: `replay_dead_letters` and `rescore_range`.
Not here: the commands (`fraud_platform.cli.live`), comparing both models
(`fraud_platform.operations.live.rescoring`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.access import Role
from fraud_platform.contracts.dead_letter_reasons import DEAD_LETTER_REASONS, MessageReason
from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY
from fraud_platform.errors import DataError
from fraud_platform.operations.live.session import load_model
from fraud_platform.operations.models.champion import known_digest
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.scoring import label_intake as label_intake
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.messages.decode import judge_message, own_key
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
    RESCORED,
    SCORED,
)


def replay_dead_letters(
    settings: Settings, reason: str | None, repair: Callable[[bytes], bytes] | None = None
) -> tuple[int, int]:
    """Send the dead letters that are now valid to the transactions topic again.

    Args:
        reason: only letters of this reason.
        repair: repairs a value before it is judged again.

    Returns:
        The numbers of letters sent and of letters still invalid.

    Raises:
        DataError: no letter has the reason, and no such reason exists.
    """
    lake = Lake(settings.lake)
    filters = None if reason is None else [("reason", "=", reason)]
    wanted = lake.read_arrow(DEAD_LETTERS, filters).to_pylist()
    if not wanted and reason is not None and reason not in DEAD_LETTER_REASONS:
        raise DataError(
            f"--reason: expected one of {', '.join(DEAD_LETTER_REASONS)}, found {reason!r}. "
            "Choose one, or leave the option out for all dead letters."
        )
    producer = IdempotentProducer(KafkaConnection.from_settings(settings, Role.PRODUCER))
    invalid, bounds = 0, _possible_seconds(settings, lake)
    for row in wanted:
        value = row["message_value"]
        if repair is not None and value is not None:
            value = repair(value)
        key = row["message_key"]
        judged = judge_message(key, value)
        if judged.reasons == (MessageReason.WRONG_KEY,) and value is not None:
            key = own_key(value)
            judged = judge_message(key, value)
        is_other_id = row["reason"] == MessageReason.ID_COLLISION
        if is_other_id or judged.reasons or not bounds[0] <= judged.contents[3] <= bounds[1]:
            invalid += 1
            continue
        producer.send(settings.transactions_topic, key, value)
    return producer.finish().acked, invalid


def _possible_seconds(settings: Settings, lake: Lake) -> tuple[int, int]:
    """Return the first and the last event time that a message may have now."""
    now, stream = int(time.time()), ScoringLog(lake).last().get("stream_second")
    if stream is None:
        return 0, now + settings.max_ahead_seconds
    oldest = stream - LATE_DAYS * SECONDS_PER_DAY
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
