"""Asset checks of the inference batches, from the log and the tables.

Here: offsets without gaps, conservation, the planned model in every row.
Not here: checks that a scorer makes before it commits (`fraud_platform.scoring`), the checks of the
batch half (`defs.checks.batch`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.defs.resources import LakeResource
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.tables.scoring import INFERENCE_PLANS, SCORED

CHECKED_BATCHES = 1_000
"""The number of latest micro-batches to check: more than one plan or one minute has."""
_SHOWN = 5
_PLACE = ("micro_batch", "source_partition", "source_offset")


@dataclass(frozen=True)
class RecentBatches:
    """The latest micro-batches.

    Attributes:
        commits: metadata of each, in order.
        before: metadata of the micro-batch before them; empty if they begin with the first.
        scored, dead: micro-batch, partition and offset of their rows; of scored ones the model.
    """

    commits: list[dict[str, Any]]
    before: dict[str, Any]
    scored: pa.Table
    dead: pa.Table


def recent_batches(lake: Lake, count: int = CHECKED_BATCHES) -> RecentBatches:
    """Settle and read the latest micro-batches; fewer if the log was cleaned in between."""
    log = ScoringLog(lake)
    log.settle()
    first = max(0, log.number - count)
    commits = list(log.commits_above(first - 1))[::-1]
    before = commits.pop(0) if commits and commits[0]["number"] > 1 else {}
    first = before.get("number", 0)
    return RecentBatches(
        commits,
        before,
        log.rows_above(first, [*_PLACE, "model_version"]),
        log.dead_above(first).select(list(_PLACE)),
    )


@dg.asset_check(
    asset="inference_batches",
    description="Each micro-batch begins at the offsets where the one before it ended.",
)
def offsets_are_contiguous(lake: LakeResource) -> dg.AssetCheckResult:
    """Compare the offsets of rows and dead letters with the commits' metadata."""
    return _result(list(offset_problems(recent_batches(lake.open()))), "no offset left out")


@dg.asset_check(
    asset="inference_batches",
    description="Each micro-batch: messages read = scored + dead letters + duplicates.",
)
def messages_are_conserved(lake: LakeResource) -> dg.AssetCheckResult:
    """Compare the counts of the commits with each other and with the tables."""
    recent = recent_batches(lake.open())
    read = sum(commit["counts"]["messages_read"] for commit in recent.commits)
    return _result(list(count_problems(recent)), "every message is accounted for", messages=read)


@dg.asset_check(
    asset="inference_batches",
    description="Each row was scored by the model version of its plan.",
)
def model_is_the_planned_one(lake: LakeResource) -> dg.AssetCheckResult:
    """Compare each row's model with that of its plan, or with the follower's."""
    tables = lake.open()
    plans = tables.read_arrow(INFERENCE_PLANS, columns=["plan", "model_version"])
    planned = dict(zip(*(plans[name].to_pylist() for name in plans.column_names), strict=True))
    return _result(list(model_problems(recent_batches(tables), planned)), "the planned models")


def offset_problems(recent: RecentBatches) -> Iterator[str]:
    """Yield a text for each break in the offsets."""
    before = recent.before
    bounds: dict[tuple[int, int], tuple[int, int]] = {}
    number = recent.commits[0]["number"] - 1 if recent.commits else 0
    for commit in recent.commits:
        name = f"micro-batch {commit['number']}"
        if commit["number"] != number + 1:
            yield f"{name} follows {number}"
        number = commit["number"]
        starts, ends = offsets_in(before), offsets_in(commit)
        if before and "gap" not in commit:
            if commit["topic_id"] != before["topic_id"] or set(starts) != set(ends):
                yield f"{name} reads another topic than the one before, and no gap was accepted"
            moved = {p: end - starts.get(p, 0) for p, end in ends.items()}
            if any(way < 0 for way in moved.values()):
                yield f"{name} goes back by {moved}"
            if commit["counts"]["messages_read"] > sum(moved.values()):
                yield f"{name} read {commit['counts']['messages_read']} of {sum(moved.values())}"
        bounds |= {(number, p): (starts.get(p, 0), end) for p, end in ends.items()}
        before = commit
    places = pa.concat_tables([recent.scored.select(list(_PLACE)), recent.dead])
    for (batch, p), own in _by_batch_and_partition(places):
        start, end = bounds.get((batch, p), (0, 0))
        if min(own) < start or max(own) >= end:
            yield (
                f"micro-batch {batch}, partition {p}: offsets {min(own)} to {max(own)} lie "
                f"outside of {start} to {end}"
            )
        if len(set(own)) != len(own):
            yield f"micro-batch {batch}, partition {p} holds an offset twice"


def count_problems(recent: RecentBatches) -> Iterator[str]:
    """Yield a text for each micro-batch whose messages do not add up."""
    scored = Counter(recent.scored["micro_batch"].to_pylist())
    dead = Counter(recent.dead["micro_batch"].to_pylist())
    for commit in recent.commits:
        counts, number = commit["counts"], commit["number"]
        parts = [counts[name] for name in ("scored", "dead_letters", "duplicates")]
        if counts["messages_read"] != sum(parts):
            yield f"micro-batch {number}: read {counts['messages_read']}, {parts} accounted for"
        for name, rows in (("scored", scored), ("dead_letters", dead)):
            if counts[name] != rows[number]:
                yield f"micro-batch {number}: {counts[name]} {name}, the table has {rows[number]}"


def model_problems(recent: RecentBatches, planned: dict[int, int]) -> Iterator[str]:
    """Yield a text for each micro-batch with rows of another model than planned.

    Args:
        planned: model version by plan.
    """
    found: dict[int, set[int]] = {}
    names = ("micro_batch", "model_version")
    pairs = recent.scored.group_by(list(names)).aggregate([])
    for batch, version in zip(*(pairs[name].to_pylist() for name in names), strict=True):
        found.setdefault(batch, set()).add(version)
    for commit in recent.commits:
        wanted = planned.get(commit["plan"]) if "plan" in commit else commit.get("model_version")
        if found.get(commit["number"], {wanted}) != {wanted}:
            yield (
                f"micro-batch {commit['number']}: expected model {wanted}, found "
                f"{sorted(found[commit['number']])}"
            )


def _by_batch_and_partition(rows: pa.Table) -> Iterator[tuple[tuple[int, int], list[int]]]:
    grouped = rows.group_by(["micro_batch", "source_partition"]).aggregate(
        [("source_offset", "list")]
    )
    for row in grouped.to_pylist():
        yield (row["micro_batch"], row["source_partition"]), row["source_offset_list"]


def _result(problems: list[str], good: str, **figures: int) -> dg.AssetCheckResult:
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return dg.AssetCheckResult(
        passed=not problems,
        description="; ".join(problems[:_SHOWN]) + more if problems else good,
        metadata={"problems": len(problems), "table": SCORED.name, **figures},
    )


INFERENCE_CHECKS = [offsets_are_contiguous, messages_are_conserved, model_is_the_planned_one]
