"""Streams with wrong dates in them, and what scoring made of them.

Here: rows with extra ones that are dated too late or too early, a topic in memory, a scorer of it.
Not here: the tests, what a right event time is (`fraud_platform.stream.event_time`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import DECLARATION, FEATURE_NAMES
from fraud_platform.contracts.messages import Messages
from fraud_platform.scoring.engines.inprocess import InProcessEngine
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.state.recovery import NO_SNAPSHOT
from fraud_platform.simulation.stream import transaction_messages
from fraud_platform.stream.batching import next_ranges
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED
from fraud_platform.training.candidate import Candidate
from fraud_platform_tests.testing.defaults import DEFAULTS
from fraud_platform_tests.testing.worlds.scoring import stream_rows

HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
SHARES = (0.001, 0.01, 0.05, 0.2)
OFFSETS = {
    "ahead": (3 * HOUR, 11 * HOUR, DAY, 9 * DAY, 100 * DAY, YEAR, 19 * YEAR, 70 * YEAR),
    "behind": (-8 * DAY, -40 * DAY, -YEAR, -11 * YEAR),
}
COMPARED = [*FEATURE_NAMES, *(flag.name for flag in DECLARATION.flags), "fraud_probability"]
FIRST_WRONG_ID = 1_000_000
PARTITIONS = 3


@dataclass(frozen=True)
class Dated:
    """Rows in stream order, wrong ones among them, with when each arrives (ms).

    Attributes:
        wrong: ids of rows with a wrong date; all others are good.
    """

    rows: pl.DataFrame
    arrival_ms: np.ndarray
    wrong: set[int]

    def good(self) -> Dated:
        """Return the stream without its wrong rows."""
        keep = ~self.rows["transaction_id"].is_in(list(self.wrong)).to_numpy()
        return Dated(self.rows.filter(pl.Series(keep)), self.arrival_ms[keep], set())


def dated_stream(share: float, direction: str, kind: str, count: int = 6_000) -> Dated:
    """Return a stream of ten days; a share of additional rows has a wrong date.

    Args:
        kind: `live`, each arrives some seconds after its event; `replay`, all arrive years later.
    """
    rows = stream_rows(count, seed=11, days=10.0)
    random = np.random.default_rng(int(share * 1000) + 5)
    # the first and the last messages of a replay have no neighbors that say what is wrong
    extra = random.choice(np.arange(60, count - 200), max(3, int(share * count)), replace=False)
    wrong = rows[np.sort(extra)].with_columns(
        transaction_id=pl.Series(FIRST_WRONG_ID + np.arange(extra.size)),
        tx_datetime=pl.col("tx_datetime")
        + pl.Series(random.choice(OFFSETS[direction], extra.size) * 1_000_000).cast(
            pl.Duration("us")
        ),
    )
    true = np.concatenate((np.arange(count), np.sort(extra) + 0.5))
    order = np.argsort(true, kind="stable")
    moments = rows["tx_datetime"].dt.epoch("s").to_numpy()
    arrival = np.concatenate((moments, moments[np.sort(extra)])) + 3
    if kind == "replay":
        arrival = np.full(arrival.size, int(moments[-1]) + 8 * YEAR)
    both = pl.concat([rows, wrong.select(rows.columns)])[order]
    return Dated(both, arrival[order] * 1000, set(wrong["transaction_id"].to_list()))


class Topic:
    """A topic in memory; readers get exact ranges, as from a broker."""

    def __init__(self, stream: Dated) -> None:
        made = transaction_messages(stream.rows)
        partition = (stream.rows["customer_id"].to_numpy() % PARTITIONS).astype(np.int32)
        self.messages: dict[int, Messages] = {}
        for p in range(PARTITIONS):
            own = np.flatnonzero(partition == p)
            self.messages[p] = Messages(
                partition[own],
                np.arange(own.size),
                stream.arrival_ms[own],
                [made.keys[i] for i in own.tolist()],
                [made.values[i] for i in own.tolist()],
            )

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        for p, (start, end) in ranges.items():
            assert 0 <= start <= end <= len(self.messages[p])
            yield self.messages[p].part(start, end)

    def go_to(self, starts: Mapping[int, int]) -> None: ...

    def close(self) -> None: ...


def score_in_process(
    lake: Lake, topic: Topic, model: Path, size: int, stream_second: int | None = None
) -> list[dict[str, int]]:
    """Score all of a topic in micro-batches, with a new engine now and then; return counts.

    Args:
        stream_second: what each commit says that stream time is, in place of what it was.
    """
    remaining = {p: (0, len(own)) for p, own in topic.messages.items()}
    pinned = PinnedModel("fraud", 1, Candidate.load(model))
    counts: list[dict[str, int]] = []
    engine = None
    while any(start < end for start, end in remaining.values()):
        log = ScoringLog(lake)
        log.settle()
        if engine is None or log.number % 3 == 0:
            engine = InProcessEngine(lake, topic, NO_SNAPSHOT, 30, DEFAULTS.max_ahead_seconds)
            engine.catch_up(log)
        chosen = next_ranges(remaining, size)
        behind = {p: (chosen[p][1], remaining[p][1]) for p in chosen}
        batch = engine.score(chosen, behind, log.number + 1, pinned)
        if stream_second is not None:
            batch = replace(batch, stream_second=stream_second)
        assert log.commit(batch, {"end_offsets": batch.end_offsets, "topic_id": "T1"})
        engine.committed(batch.number)
        counts.append(dict(batch.counts))
        for p, end in batch.end_offsets.items():
            remaining[p] = (end, remaining[p][1])
    return counts


def scored(lake: Lake) -> pd.DataFrame:
    """Return what was scored, by id; an id that was scored twice stands twice."""
    columns = ["transaction_id", "is_late", *COMPARED]
    rows = lake.read_arrow(SCORED, columns=columns).to_pandas()
    return rows.set_index("transaction_id").sort_index()


def dead(lake: Lake) -> pd.DataFrame:
    """Return the dead letters with the ids in them."""
    rows = lake.read_arrow(DEAD_LETTERS).to_pandas()
    ids = rows["message_value"].str.decode("utf-8").str.extract(r'"transaction_id": ?(\d+)')[0]
    return rows.assign(transaction_id=ids.astype("int64")).set_index("transaction_id")


def require_named_and_without_effect(with_wrong: Lake, without: Lake, stream: Dated) -> None:
    """Require what the contract promises of a stream with wrong dates."""
    found, expected, letters = scored(with_wrong), scored(without), dead(with_wrong)
    assert found.index.is_unique
    assert set(letters["reason"]) <= {"time_ahead", "time_behind"}
    assert set(letters.index) == stream.wrong
    assert (letters["detail"].str.len() > 40).all()
    assert not len(dead(without))
    assert set(found.index) == set(expected.index)
    different = [
        name for name in COMPARED if not np.array_equal(found[name], expected[name], equal_nan=True)
    ]
    assert not different
