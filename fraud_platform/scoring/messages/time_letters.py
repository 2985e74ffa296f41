"""Turning messages with an impossible event time into dead letters that name the expected one.

Here: `bound_times`, between decoding and scoring, the same in both engines.
Not here: the rules (`stream.event_time`), the other reasons of dead letters
(`scoring.messages.decode`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.dead_letter_reasons import MessageReason
from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.time import LATE_DAYS
from fraud_platform.scoring.messages.decoded import DeadLetter, Decoded
from fraud_platform.stream.clock import StreamClock
from fraud_platform.stream.event_time import Carried, Times, carry_over, judge_times

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TimeBounds:
    """The bounds for event times, in addition to the messages themselves.

    Attributes:
        clock: the stream's clock before the micro-batch.
        carried: see `stream.event_time.Carried`.
        max_ahead: seconds that an event may lie ahead.
        was_scored: returns which transaction ids were scored before: their messages are duplicates
            with any date.
    """

    clock: StreamClock
    carried: Carried
    max_ahead: int
    was_scored: Callable[[Ints], Mask]


def bound_times(messages: Messages, decoded: Decoded, bounds: TimeBounds) -> Decoded:
    """Return the decoded messages, with those of an impossible event time among the dead.

    Args:
        messages: in order of partition and offset, including those after the end of the
            micro-batch, which are evidence.
    """
    times = _times(messages, decoded)
    verdicts = judge_times(times, bounds.clock, bounds.carried, bounds.max_ahead)
    wrong = verdicts.ahead | verdicts.behind
    if wrong.any():
        # a producer that resends after days sends old dates; the first score is kept
        suspects = np.flatnonzero(wrong)
        ids = decoded.transactions.transaction_id[suspects]
        wrong[suspects[bounds.was_scored(ids)]] = False
    if not wrong.any():
        return decoded
    places = np.flatnonzero(wrong)
    letters = [
        _letter(decoded, times, place, bool(verdicts.ahead[place]), bounds)
        for place in places.tolist()
    ]
    return decoded.without(places, letters)


def carried_over(
    messages: Messages, decoded: Decoded, is_own: Mask, bounds: TimeBounds
) -> dict[int, tuple[int, ...]]:
    """Return the evidence from this micro-batch that the next one needs.

    Args:
        decoded: the messages as they were before `bound_times`.
        is_own: which messages belong to the micro-batch.
    """
    times = _times(messages, decoded)
    own = np.flatnonzero(is_own[decoded.rows])
    kept = Times(times.partition[own], times.second[own], times.arrival[own])
    return carry_over(kept, bounds.clock, bounds.carried, bounds.max_ahead)


def _times(messages: Messages, decoded: Decoded) -> Times:
    return Times(
        messages.partition[decoded.rows].astype(np.int64),
        decoded.transactions.second,
        messages.timestamp_ms[decoded.rows] // 1000,
    )


def _letter(
    decoded: Decoded, times: Times, place: int, is_ahead: bool, bounds: TimeBounds
) -> DeadLetter:
    event, arrival = int(times.second[place]), int(times.arrival[place])
    now = bounds.clock.second
    stream = "nothing was scored yet" if now is None else f"stream time {_moment(now)}"
    name = " and ".join(SOURCE.sent_names[column] for column in SOURCE.booked.columns)
    found = f"{name} {_moment(event)}, arrived {_moment(arrival)}, {stream}"
    if is_ahead:
        limit = timedelta(seconds=bounds.max_ahead)
        detail = (
            f"{found}: expected at most {limit} ahead of arrival, or of the messages that follow"
        )
        return DeadLetter(int(decoded.rows[place]), (str(MessageReason.TIME_AHEAD),), detail)
    detail = f"{found}: expected at most {LATE_DAYS} days before the stream"
    return DeadLetter(int(decoded.rows[place]), (str(MessageReason.TIME_BEHIND),), detail)


def _moment(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"
