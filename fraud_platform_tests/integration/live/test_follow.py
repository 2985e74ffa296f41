"""`score --follow` as a process: it scores, swaps the champion, reports, and hands over."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import dagster as dg

from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.defs.checks.inference import (
    count_problems,
    model_problems,
    offset_problems,
    recent_batches,
)
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.worlds.follower import following, scored_ids
from fraud_platform_tests.testing.worlds.live import Live, until
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

SENT = mixed_stream(stream_rows(900, seed=12))
FIRST, BEFORE, AFTER, HANDED_OVER = SENT[:1], SENT[1:300], SENT[300:600], SENT[600:]


def rows_by_version(live: Live) -> dict[int, list[int]]:
    rows = live.platform.lake.read_arrow(SCORED, columns=["transaction_id", "model_version"])
    found: dict[int, list[int]] = {}
    for row in rows.to_pylist():
        found.setdefault(row["model_version"], []).append(row["transaction_id"])
    return {version: sorted(ids) for version, ids in found.items()}


def test_a_follower_scores_swaps_the_champion_reports_and_hands_over(
    live: Live, tmp_path: Path
) -> None:
    log = tmp_path / "follow.log"

    def await_scored(sent: list[Sent]) -> None:
        count = len(scored_ids(sent))
        until(lambda: sum(map(len, rows_by_version(live).values())) >= count)

    with following(live.settings, log) as first:
        until(lambda: "following" in log.read_text() or first.poll() is not None, 60)
        # one message alone, so that the first commit finds most partitions empty
        live.produce(FIRST)
        await_scored(FIRST)
        live.produce(BEFORE)
        await_scored(FIRST + BEFORE)
        assert live.skipped().startswith(f"score --follow, process {first.pid} on ")

        live.registry.set_alias(CHAMPION, 2)
        until(lambda: "model 2 is champion now, in place of 1" in log.read_text())
        live.produce(AFTER)
        await_scored(FIRST + BEFORE + AFTER)

        second_log = tmp_path / "second.log"
        with following(live.settings, second_log) as second:
            assert second.wait(60) == 1
        assert f"process {first.pid} on" in second_log.read_text()
        assert "already follows. Stop it first" in second_log.read_text()

        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0, log.read_text()
    output = log.read_text()
    assert f"{len(scored_ids(FIRST + BEFORE + AFTER))} scored in all" in output, output
    _is_told_by_version(live)

    live.produce(HANDED_OVER)
    live.score()
    assert rows_by_version(live) == {
        1: scored_ids(FIRST + BEFORE),
        2: scored_ids(AFTER + HANDED_OVER),
    }
    assert judge(live.settings, SENT).problems == []
    recent = recent_batches(live.platform.lake)
    problems = [*offset_problems(recent), *count_problems(recent), *model_problems(recent, {1: 2})]
    assert problems == []


def _is_told_by_version(live: Live) -> None:
    """Require one materialization for each model, with what that model scored."""
    with dg.DagsterInstance.from_config(str(live.settings.dagster_home)) as instance:
        records = instance.fetch_materializations(
            dg.AssetKey("inference_batches"), limit=10
        ).records
    materializations = [record.asset_materialization for record in records[::-1]]
    metadata = [one for one in materializations if one is not None]
    assert len(metadata) == len(records)
    values: list[dict[str, Any]] = [
        {name: value.value for name, value in one.metadata.items()} for one in metadata
    ]
    scored = {one["model_version"]: one["scored"] for one in values}
    assert scored == {1: len(scored_ids(FIRST + BEFORE)), 2: len(scored_ids(AFTER))}
    assert all(one.description == "reported by score --follow" for one in metadata)
    assert all(one.partition is not None for one in metadata)
    assert all(one["published_ms_p50"] > 0 for one in values)
