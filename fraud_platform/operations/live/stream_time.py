"""Correcting stream time after wrong dates moved it.

Here: `look_at_stream_time`, `set_stream_time`, and `stream_time_problem` for `status` and `doctor`.
Not here: the commands' options (`fraud_platform.cli.live`), the clock (`stream.clock`), what a
correction means for rows scored before it (`stream.corrections`).
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.time import SECONDS_PER_DAY, TILE_SECONDS
from fraud_platform.errors import DataError
from fraud_platform.operations.live.session import open_publication
from fraud_platform.scoring.log import ScoredBatch, ScoringLog, offsets_in
from fraud_platform.settings import Settings
from fraud_platform.stream.clock import WINDOW_ROWS, likely_second
from fraud_platform.stream.corrections import Correction, as_metadata, corrections_in
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
    LANDING,
    SCORED,
    SCORING_STATE,
    TOPIC_LABELS,
)

COMMAND = "set-stream-time"


def stream_time_problem(lake: Lake) -> str | None:
    """Return the problem of stream time with its remedy; None if there is none."""
    if lake.open(SCORED) is None:
        return None
    log = ScoringLog(lake)
    second = log.last().get("stream_second")
    estimate = _estimate(log)
    if second is None or estimate is None or second <= estimate + SECONDS_PER_DAY:
        return None
    return (
        f"stream time is {_moment(second)}, but the last scored rows say {_moment(estimate)}: "
        "wrong dates moved it. Rows more than a week before it are not scored. Look at it with "
        f"`fraud-platform {COMMAND}`, set it with `fraud-platform {COMMAND} --to "
        f'"{_moment(estimate)}" --why ".."`'
    )


def look_at_stream_time(lake: Lake, second: int | None) -> list[str]:
    """Describe stream time and what setting it would change; this changes nothing.

    Args:
        second: the value to set; None for the estimate from the last scored rows.
    """
    log = ScoringLog(lake)
    log.settle()
    now, estimate = log.last().get("stream_second"), _estimate(log)
    if now is None or estimate is None:
        return ["nothing was scored yet: there is no stream time"]
    second = estimate if second is None else second
    ahead = lake.read_arrow(
        SCORED,
        filters=[("tx_datetime", ">", _utc(second + TILE_SECONDS))],
        columns=["transaction_id"],
    ).num_rows
    letters = lake.read_arrow(DEAD_LETTERS, [("reason", "=", "time_behind")], ["reason"]).num_rows
    lines = [
        f"stream time is {_moment(now)}, the clock of this machine {_moment(int(time.time()))}",
        (
            f"the last {min(WINDOW_ROWS, log.last_seconds(WINDOW_ROWS).size):,} scored rows say "
            f"{_moment(estimate)}"
        ),
        (
            f"set to {_moment(second)}: {ahead:,} scored rows dated later stay scored, but no "
            "longer count as history; snapshots of later days are removed; duplicates and labels "
            "count from then on"
        ),
    ]
    if letters:
        lines.append(
            f"{letters:,} dead letters have the reason time_behind: send the then valid ones with "
            "`fraud-platform replay --dead-letters --reason time_behind`"
        )
    lines.append(
        f'to set it: fraud-platform {COMMAND} --to "{_moment(second)}" --why ".." '
        "(it takes the lease from a running scorer)"
    )
    return lines


def set_stream_time(settings: Settings, second: int, why: str) -> str:
    """Commit stream time under the next number; later scoring continues from it.

    It holds the lease during the commit, and first publishes everything that was committed before.

    Raises:
        DataError: nothing was scored yet, or a scorer committed at the same time.
    """
    lake = Lake(settings.lake)
    log = ScoringLog(lake)
    if log.last().get("stream_second") is None:
        raise DataError("nothing was scored yet: there is no stream time to set")
    with (
        closing(KafkaTopics(KafkaConnection.from_settings(settings))) as topics,
        open_publication(settings, lake, topics) as publication,
    ):
        publication.take_lease()
        done = commit_stream_time(lake, publication.log, second, why)
        publication.catch_up()
    return done


def commit_stream_time(lake: Lake, log: ScoringLog, second: int, why: str) -> str:
    """Commit a correction, and remove the snapshots of days after it."""
    last = log.last()
    counts = {"messages_read": 0, "scored": 0, "dead_letters": 0, "duplicates": 0}
    batch = ScoredBatch(
        log.number + 1,
        [],
        DEAD_LETTERS.arrow_schema.empty_table(),
        counts,
        offsets_in(last),
        second,
    )
    one = Correction(batch.number, second, lake.numbered(TOPIC_LABELS, LANDING).number)
    metadata = {
        "topic_id": last["topic_id"],
        "end_offsets": offsets_in(last),
        "why": why,
        **as_metadata([*corrections_in(last), one]),
    }
    # before the commit, so that no scorer starts from one of them after it
    removed = _remove_snapshots(lake, second)
    if not log.commit(batch, metadata):
        raise DataError("a scorer committed first: look again before you set stream time")
    line = (
        f"micro-batch {batch.number} sets stream time from {_moment(last['stream_second'])} to "
        f"{_moment(second)} because: {why}"
    )
    if removed:
        line += (
            f"; snapshots removed: {', '.join(removed)}. Materialize scoring_state before you "
            "continue to score, so that it begins with the drops' history"
        )
    return line


def _remove_snapshots(lake: Lake, second: int) -> list[str]:
    """Remove the snapshots of midnights that stream time has not reached; return their days."""
    handle = lake.open(SCORING_STATE)
    if handle is None:
        return []
    last = _utc(second).date()
    later = sorted({str(p["as_of"]) for p in handle.partitions() if str(p["as_of"]) > str(last)})
    if later:
        empty = SCORING_STATE.arrow_schema.empty_table()
        lake.replace_arrow(SCORING_STATE, empty, f"as_of > '{last}'")
    return later


def _estimate(log: ScoringLog) -> int | None:
    """Return stream time as estimated from the last scored rows alone."""
    return likely_second(log.last_seconds(WINDOW_ROWS))


def _utc(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _moment(second: int) -> str:
    return f"{_utc(second):%Y-%m-%d %H:%M}"
