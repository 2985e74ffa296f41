"""Plans: the work of a scoring run, decided once.

Here: `Plan`, its table, and the rules for making the next plan or continuing the last one.
Not here: the sensor that requests runs (`fraud_platform.defs.assets.inference`), carrying a plan
out (`scoring.scorer`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fraud_platform.errors import OffsetGapError, TopicChangedError
from fraud_platform.kill_points import kill_point
from fraud_platform.stream.batching import Ranges, next_ranges
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import INFERENCE_PLANS, PLANS

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import ScoredTables

ACCEPT_GAP, ACCEPT_LABEL_GAP = "accept-gap", "accept-gap --labels"
"""The commands with which a person lets reading continue after a gap."""


@dataclass(frozen=True)
class Plan:
    """An exact range for each partition, with the model and the snapshot to score it.

    Attributes:
        number: 1, 2, ..
        ranges: partition to first offset and the offset after the last.
        state_version: a `scoring.state.recovery.Snapshot` as text.
    """

    number: int
    topic: str
    topic_id: str
    ranges: Ranges
    model_version: int
    state_version: str
    planned_at: datetime
    code_version: str

    @property
    def messages(self) -> int:
        """The number of offsets in the ranges."""
        return sum(end - start for start, end in self.ranges.values())

    def remaining(self, committed: Mapping[int, int]) -> Ranges:
        """Return the part of each range after the committed offsets, including empty ranges."""
        return {
            p: (max(start, committed.get(p, start)), max(end, committed.get(p, end)))
            for p, (start, end) in self.ranges.items()
        }

    def is_done(self, committed: Mapping[int, int]) -> bool:
        """Return whether every range lies before the committed offsets."""
        return all(start >= end for start, end in self.remaining(committed).values())


@dataclass(frozen=True)
class TopicNow:
    """A topic as the broker reports it: its id, and lowest and next offset of each partition."""

    topic: str
    topic_id: str
    offsets: Mapping[int, tuple[int, int]]


def check_topic(
    now: TopicNow,
    committed_topic_id: str | None,
    committed: Mapping[int, int],
    accept: str = ACCEPT_GAP,
) -> None:
    """Require that reading can continue where it stopped.

    Args:
        accept: the command that accepts a gap, for the error text.

    Raises:
        TopicChangedError: the topic was deleted and recreated, or its partitions changed.
        OffsetGapError: the broker no longer holds messages that were not read yet.
    """
    if committed_topic_id is None:
        return
    remedy = f"Find the cause, then run `fraud-platform {accept} --why ..` to continue."
    if committed_topic_id != now.topic_id:
        raise TopicChangedError(
            f"topic {now.topic}: expected the topic {committed_topic_id} that was read so far, "
            f"found {now.topic_id}: it was deleted and recreated. {remedy}"
        )
    if set(committed) != set(now.offsets):
        raise TopicChangedError(
            f"topic {now.topic}: expected partitions {sorted(committed)}, found "
            f"{sorted(now.offsets)}. Keys may have moved between partitions. {remedy}"
        )
    gaps = {p: (at, now.offsets[p][0]) for p, at in committed.items() if at < now.offsets[p][0]}
    if gaps:
        words = ", ".join(f"partition {p}: {at} to {low}" for p, (at, low) in sorted(gaps.items()))
        raise OffsetGapError(
            f"topic {now.topic}: the broker no longer holds offsets that were not read "
            f"({words}). {remedy}"
        )
    ahead = {p: at for p, at in committed.items() if at > now.offsets[p][1]}
    if ahead:
        raise TopicChangedError(
            f"topic {now.topic}: committed offsets {ahead} lie after the broker's last ones: it "
            f"lost messages that were read. {remedy}"
        )


def offsets_after_gap(
    now: TopicNow, committed_topic_id: str | None, committed: Mapping[int, int]
) -> dict[int, int] | None:
    """Return the offsets at which reading continues after a gap; None if there is no gap."""
    is_same = committed_topic_id == now.topic_id
    ends = {
        p: min(max(committed.get(p, low), low), high) if is_same else low
        for p, (low, high) in now.offsets.items()
    }
    return None if committed_topic_id is None or (is_same and ends == committed) else ends


def left_out(committed: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, list[int | None]]:
    """Return the old and the new offset of each partition that an accepted gap moves."""
    return {p: [committed.get(p), e] for p, e in ends.items() if committed.get(p) != e}


def ranges_to_plan(now: TopicNow, committed: Mapping[int, int], max_messages: int) -> Ranges:
    """Return the ranges after the committed offsets, at most about `max_messages` offsets.

    Partitions without new messages have empty ranges: their offsets are committed with the others,
    so that a partition added later, or a gap before the first message, is detected.

    Returns:
        A range for every partition; empty if no partition has new messages.
    """
    starts = {p: committed.get(p, low) for p, (low, _) in now.offsets.items()}
    waiting = {p: (starts[p], high) for p, (_, high) in now.offsets.items() if starts[p] < high}
    if not waiting:
        return {}
    empty = {p: (start, start) for p, start in starts.items()}
    return {**empty, **next_ranges(waiting, max_messages)}


class PlanLog:
    """The table of plans.

    Args:
        lake: the lake with the table.
    """

    def __init__(self, lake: ScoredTables) -> None:
        self._lake = lake
        self._table = lake.numbered(INFERENCE_PLANS, PLANS)

    def last(self) -> Plan | None:
        """Return the last plan; None before the first."""
        self._table.refresh()
        return self.read(self._table.number) if self._table.number else None

    def read(self, number: int) -> Plan:
        """Return a plan by its number.

        Raises:
            KeyError: there is no plan of that number.
        """
        rows = self._lake.read_arrow(INFERENCE_PLANS, filters=[("plan", "=", number)]).to_pylist()
        if not rows:
            raise KeyError(f"there is no plan {number}")
        return _plan(rows[0])

    def save(self, plan: Plan) -> Plan | None:
        """Write a plan under the next number; None if another planner was first."""
        plan = replace(plan, number=self._table.number + 1)
        rows = pa.Table.from_pylist([_row(plan)], schema=INFERENCE_PLANS.arrow_schema)
        url = self._lake.uri(INFERENCE_PLANS)
        files = write_rows(self._lake.files, url, INFERENCE_PLANS, rows)
        kill_point("planning.before_save")
        is_saved = self._table.append(files, plan.number)
        kill_point("planning.saved")
        return plan if is_saved else None


def _row(plan: Plan) -> dict[str, Any]:
    ranges = {str(p): list(r) for p, r in sorted(plan.ranges.items())}
    row = {name: getattr(plan, name) for name in INFERENCE_PLANS.column_names[1:]}
    return {**row, "plan": plan.number, "ranges": json.dumps(ranges)}


def _plan(row: Mapping[str, Any]) -> Plan:
    values = {name: row[name] for name in INFERENCE_PLANS.column_names[1:]}
    ranges = {int(p): (start, end) for p, (start, end) in json.loads(row["ranges"]).items()}
    return Plan(**{**values, "number": row["plan"], "ranges": ranges})
