"""One micro-batch: messages in, scored rows and dead letters out, every message accounted for.

Here: decoding, duplicates, features, the model, alerts; the columns of both tables.
Not here: the engines (the other modules of this package), committing and publishing
(`scoring.scorer`), batching (`stream.batching`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.contracts.active import DECLARATION, SOURCE, feature_signature
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.dead_letter_reasons import MessageReason
from fraud_platform.contracts.messages import Messages
from fraud_platform.errors import ConservationError, SchemaMismatchError
from fraud_platform.features.compatibility import changed_times, is_declared_as
from fraud_platform.rows.samples import sample_message
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.decoded import DeadLetter, Decoded
from fraud_platform.scoring.state.scorer_state import ScoringState
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED

if TYPE_CHECKING:
    from fraud_platform.training.candidate import Candidate

_MICROSECONDS = 1_000_000
TOP_REASONS = 3


@dataclass(frozen=True)
class PinnedModel:
    """The model of a plan, loaded once.

    Attributes:
        name, version: its registered name and version.
        candidate: the model.
        files: its files by name; workers on other machines load these bytes.

    Raises:
        SchemaMismatchError: the declaration of a feature that it uses has changed or is missing.
    """

    name: str
    version: int
    candidate: Candidate
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        names = self.candidate.feature_names
        trained_on = self.candidate.parameters.get("feature_signature")
        unknown = sorted(set(names) - set(DECLARATION.names))
        if unknown or not is_declared_as(names, trained_on):
            changed = changed_times(names, trained_on)
            raise SchemaMismatchError(
                f"model {self.name} {self.version}: expected its {len(names)} features declared as "
                f"{feature_signature(names)[:16]} (of the declaration {feature_signature()[:16]}), "
                f"found a model trained on {str(trained_on)[:16]}"
                + (f", which needs {', '.join(unknown)}" if unknown else "")
                + (f", since when {' and '.join(changed)}" if changed else "")
                + ". Restore their declarations: a feature that the champion uses may change or be "
                "removed only once another model is champion (docs/new_feature.md). Train and "
                "promote a model on the current declaration, or deploy the code that the model "
                "was trained with."
            )


@dataclass(frozen=True)
class BatchContext:
    """Values that are the same for every row of a micro-batch."""

    number: int
    model: PinnedModel
    state_version: str


@dataclass(frozen=True)
class MicroBatch:
    """The results of the messages of one micro-batch.

    Attributes:
        scored: rows of the table `scored`.
        dead: rows of the table `dead_letters`.
        counts: messages_read, scored, duplicates, dead_letters, late, alerts, `dead_<reason>`,
            `repaired_<repair>` and, if there are any, `odd_timestamps`.
    """

    number: int
    scored: pa.Table
    dead: pa.Table
    counts: Mapping[str, int] = field(default_factory=dict)


def sample_messages() -> Messages:
    """Return one valid message with unused ids, for the warm-up of a scorer."""
    key, value = sample_message(SOURCE)
    place = np.zeros(1, np.int64)
    return Messages(place.astype(np.int32), place, place, [key], [value])


def score_messages(messages: Messages, state: ScoringState, context: BatchContext) -> MicroBatch:
    """Score messages in the given order, and add the new rows to the state.

    Raises:
        ConservationError: the messages read are not scored + dead letters + duplicates.
    """
    return score_decoded(messages, decode(messages.keys, messages.values), state, context)


def score_decoded(
    messages: Messages,
    decoded: Decoded,
    state: ScoringState,
    context: BatchContext,
    odd_timestamps: int = 0,
) -> MicroBatch:
    """Score messages that are already decoded.

    Args:
        odd_timestamps: number of Kafka timestamps that were not ms since 1970, for the counts.
    """
    decoded = _without_collisions(decoded, state)
    is_duplicate = state.is_duplicate(decoded.transactions.transaction_id)
    new = np.flatnonzero(~is_duplicate)
    rows = decoded.transactions.take(new)
    places = decoded.rows[new]
    key_texts = {
        name: column.gather(new).to_arrow().cast(pa.string())
        for name, column in decoded.key_texts.items()
    }
    scored = _score(rows, places, messages, state, context, key_texts)
    dead = _dead_letters(decoded, messages, context.number)
    counts = Counter(
        messages_read=len(messages),
        scored=scored.num_rows,
        duplicates=int(is_duplicate.sum()),
        dead_letters=dead.num_rows,
        late=int(np.count_nonzero(scored["is_late"])),
        alerts=int(np.count_nonzero(scored["is_alert"])),
    )
    counts.update({f"dead_{letter.reasons[0]}": 0 for letter in decoded.dead})
    for letter in decoded.dead:
        counts[f"dead_{letter.reasons[0]}"] += 1
    counts.update({f"repaired_{name}": n for name, n in decoded.repairs.items()})
    if odd_timestamps:
        counts["odd_timestamps"] = odd_timestamps
    check_conservation(context.number, counts)
    return MicroBatch(context.number, scored, dead, dict(counts))


def _without_collisions(decoded: Decoded, state: ScoringState) -> Decoded:
    """Return the messages; those whose id stands for another text already are dead."""
    places = np.flatnonzero(state.is_collision(decoded.transactions))
    if not places.size:
        return decoded
    reason = MessageReason.ID_COLLISION
    rows = decoded.rows[places].tolist()
    letters = [DeadLetter(row, (str(reason),), reason.description) for row in rows]
    return decoded.without(places, letters)


def check_conservation(number: int, counts: Mapping[str, int]) -> None:
    """Require that every message ended in exactly one place.

    Raises:
        ConservationError: a message is missing or was counted twice.
    """
    ended = counts["scored"] + counts["dead_letters"] + counts["duplicates"]
    if counts["messages_read"] != ended:
        raise ConservationError(
            f"micro-batch {number}: {counts['messages_read']} messages read, but "
            f"{counts['scored']} scored + {counts['dead_letters']} dead letters + "
            f"{counts['duplicates']} duplicates. Nothing of it is committed; report this."
        )


def _score(
    rows: Transactions,
    places: npt.NDArray[np.int64],
    messages: Messages,
    state: ScoringState,
    context: BatchContext,
    key_texts: Mapping[str, pa.Array],
) -> pa.Table:
    found = state.score(rows)
    candidate = context.model.candidate
    matrix = np.column_stack([found.features[name] for name in candidate.feature_names])
    probability = (
        candidate.predict_probability(np.ascontiguousarray(matrix)) if len(matrix) else np.zeros(0)
    )
    threshold = candidate.threshold.value
    is_alert = probability >= threshold
    size = rows.second.size
    columns: dict[str, Any] = {
        "transaction_id": rows.transaction_id,
        "tx_datetime": rows.second * _MICROSECONDS,
        "customer_id": rows.customer_id,
        "terminal_id": rows.terminal_id,
        "amount_cents": rows.amount_cents,
        **key_texts,
        **rows.facts,
        **{name: flag.astype(np.int32) for name, flag in found.flags.items()},
        **found.features,
        "fraud_probability": probability,
        "threshold": np.full(size, threshold),
        "is_alert": is_alert,
        "reasons": _reasons(candidate, matrix, is_alert),
        "model_name": _constant(context.model.name, size),
        "model_version": np.full(size, context.model.version),
        "state_version": _constant(context.state_version, size),
        "is_late": found.is_late,
        **_source(messages, places, context.number),
        "scored_at": np.full(size, time.time_ns() // 1000),
    }
    return arrow_rows(SCORED.arrow_schema, columns)


def _source(
    messages: Messages, places: npt.NDArray[np.int64], number: int
) -> dict[str, npt.NDArray[Any]]:
    return {
        "source_partition": messages.partition[places].astype(np.int32),
        "source_offset": messages.offset[places],
        "micro_batch": np.full(places.size, number),
        "produced_at": messages.timestamp_ms[places] * 1000,
    }


def _constant(text: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), size)


def _reasons(
    candidate: Candidate, matrix: npt.NDArray[np.float32], is_alert: npt.NDArray[np.bool_]
) -> pa.Array:
    """Return the features that raised each alert's log-odds most; null for rows without alert."""
    alerts = np.flatnonzero(is_alert)
    texts: list[list[str] | None] = [None] * is_alert.size
    if alerts.size:
        own = np.ascontiguousarray(matrix[alerts])
        given = candidate.model.explain(own)
        for row, values, shares in zip(alerts.tolist(), own.tolist(), given, strict=True):
            order = np.argsort(-shares, kind="stable")[:TOP_REASONS]
            texts[row] = [
                f"{candidate.feature_names[i]}={values[i]:.6g} ({shares[i]:+.2f})"
                for i in order.tolist()
                if shares[i] > 0
            ]
    return pa.array(texts, pa.list_(pa.string()))


def _dead_letters(decoded: Decoded, messages: Messages, number: int) -> pa.Table:
    places = np.fromiter((letter.row for letter in decoded.dead), np.int64, len(decoded.dead))
    columns = {
        "reason": [letter.reasons[0] for letter in decoded.dead],
        "reasons": [list(letter.reasons) for letter in decoded.dead],
        "detail": [letter.detail for letter in decoded.dead],
        "message_key": [messages.keys[i] for i in places.tolist()],
        "message_value": [messages.values[i] for i in places.tolist()],
        **_source(messages, places, number),
        "failed_at": np.full(places.size, time.time_ns() // 1000),
    }
    return arrow_rows(DEAD_LETTERS.arrow_schema, columns)


def arrow_rows(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """Return a table from columns by name; timestamps are microseconds since 1970."""
    arrays = []
    for column in schema:
        values = columns[column.name]
        if pa.types.is_timestamp(column.type):
            values = pa.array(values, pa.int64()).view(column.type)
        arrays.append(values if isinstance(values, pa.Array) else pa.array(values, column.type))
    return pa.Table.from_arrays(arrays, schema=schema)
