"""Merging the results of Spark's tasks: no id twice, one clock for any number of tasks."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from fraud_platform.scoring.engines.spark import Excluded, SparkEngine, _written
from fraud_platform.scoring.messages.peeking import Peeker
from fraud_platform.stream.clock import StreamClock
from fraud_platform.tables.scoring import DEAD_LETTERS

SECOND = 1_536_537_600
Message = tuple[int, int, int]
"""Partition, offset, transaction id."""


class TasksHere(SparkEngine):
    """The engine with tasks that score in this process: each takes an id's first copy of its own.

    Args:
        tasks: the messages of each.
    """

    def __init__(self, tasks: list[list[Message]]) -> None:
        self._tasks, self._clock = tasks, StreamClock()
        self._peeker = cast("Peeker", self)
        self._carried = {}
        self.scored: list[Message] = []

    def cut(self, ranges: Any, behind: Any) -> Any:
        return ranges

    def _run(
        self, ranges: Any, after: Any, number: int, model: Any, excluded: Excluded
    ) -> list[dict[str, Any]]:
        results, self.scored = [], []
        for messages in self._tasks:
            taken: dict[int, Message] = {}
            for partition, offset, identity in messages:
                if (partition, offset) not in excluded:
                    taken.setdefault(identity, (partition, offset, identity))
            self.scored += taken.values()
            results.append(_result(list(taken.values()), len(messages)))
        return results


def _result(rows: list[Message], read: int) -> dict[str, Any]:
    partition, offset, ids = (np.array(column) for column in zip(*rows, strict=True))
    table = pa.table(
        {
            "transaction_id": ids,
            "source_partition": partition,
            "source_offset": offset,
            "tx_datetime": pa.array((SECOND + ids) * 1_000_000).view(pa.timestamp("us", tz="UTC")),
        }
    )
    counts = {"messages_read": read, "scored": len(rows), "duplicates": read - len(rows)}
    return {
        "manifest": json.dumps({"counts": counts, "files": [], "days": [], "carried": {}}),
        "dead": _written(DEAD_LETTERS.arrow_schema.empty_table()),
        "rows": _written(table),
        "first_partition": int(partition.min()),
    }


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_an_id_in_two_tasks_counts_in_the_first_however_often_the_other_holds_it(
    copies: int,
) -> None:
    other = [(5, offset, 17) for offset in range(copies)] + [(5, copies, 18)]
    engine = TasksHere([[(0, 0, 17)], other])
    batch = engine.score({0: (0, 1), 5: (0, copies + 1)}, {}, 1, None)  # type: ignore[arg-type]
    assert sorted(engine.scored) == [(0, 0, 17), (5, copies, 18)]
    assert batch.counts["scored"] == 2


def test_stream_time_is_the_same_whichever_task_holds_a_partition() -> None:
    messages = [(p, o, 100 * p + 7 * o) for p in range(4) for o in range(9)]
    clocks = set()
    for of_first in ({0, 1}, {0, 2}, {0, 3}):
        tasks = [[m for m in messages if (m[0] in of_first) is side] for side in (True, False)]
        engine = TasksHere(tasks)
        engine.score({}, {}, 1, None)  # type: ignore[arg-type]
        clocks.add((engine._clock.second, tuple(engine._clock.recent)))
    assert len(clocks) == 1
