"""The Kafka sensor on a real broker: what it asks for and what a run leaves.

A tick is the sensor's function on a real Dagster instance; runs execute in this process.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from confluent_kafka import Producer

from fraud_platform.adapters.kafka.follower_mark import FollowerMark
from fraud_platform.adapters.kafka.lag import lag_lines
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.tables.log_keeping import MANY_COMMITS
from fraud_platform.defs.automation import requests
from fraud_platform.defs.automation.requests import ask_again
from fraud_platform.defs.checks.inference import (
    INFERENCE_CHECKS,
    count_problems,
    model_problems,
    offset_problems,
    recent_batches,
)
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.plans import PlanLog
from fraud_platform.tables.scoring import INFERENCE_PLANS, SCORED
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.worlds.automation import run_requests
from fraud_platform_tests.testing.worlds.live import PARTITIONS, Live, plan_of, until
from fraud_platform_tests.testing.worlds.platform import result_of
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

ROWS = stream_rows(900, seed=11)
SENT = mixed_stream(ROWS)
HALVES = SENT[: len(SENT) // 2], SENT[len(SENT) // 2 :]


def test_without_a_champion_the_sensor_pauses_and_says_what_waits(live: Live) -> None:
    live.registry.set_alias(CHAMPION, None)
    assert live.skipped() == f"nothing new on {live.settings.transactions_topic}"
    live.produce(SENT[:50])
    output = live.skipped()
    assert "50 messages wait" in output
    assert "no champion yet" in output
    assert PlanLog(live.platform.lake).last() is None
    live.registry.set_alias(CHAMPION, 2)
    assert PlanLog(live.platform.lake).read(plan_of(live.asked())).model_version == 2


def test_messages_of_an_open_transaction_are_said_and_not_taken_for_nothing_new(live: Live) -> None:
    """They used to count as read, for as long as their producer left the transaction open."""
    topic = live.settings.transactions_topic
    nothing = f"nothing new on {topic}"
    assert live.skipped() == nothing
    began = datetime.now(UTC).replace(microsecond=0)
    producer = Producer(
        {"bootstrap.servers": live.settings.kafka_bootstrap, "transactional.id": f"open-{topic}"}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    for sent in SENT[:20]:
        producer.produce(topic, sent.value, sent.key, partition=1)
    assert producer.flush(20) == 0

    output = live.skipped()
    found = re.fullmatch(
        rf"{nothing}; 20 offsets in partitions 1 wait since (\S+ \S+) UTC \(\d+ s\) for a producer "
        "to commit or abort its transaction",
        output,
    )
    assert found, output
    since = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    assert began <= since <= datetime.now(UTC)
    assert "0 behind; 20 offsets in partitions 1 wait since" in lag_lines(live.settings)[0]

    producer.abort_transaction(20)
    until(lambda: "wait" not in lag_lines(live.settings)[0])


def test_one_run_is_asked_for_until_its_plan_is_done(live: Live) -> None:
    live.produce(HALVES[0])
    first = live.asked()
    again = run_requests(live.tick(cursor="a cursor of another life"))[0]
    assert (again.run_key, plan_of(again)) == (first.run_key, plan_of(first)) == ("plan:1#1", 1)

    under_way = live.record(first, dg.DagsterRunStatus.STARTED)
    assert "being scored" in live.skipped()
    live.produce(HALVES[1])
    assert "being scored" in live.skipped(), "two batches in flight"

    live.platform.instance.delete_run(under_way)
    assert live.asked().run_key == "plan:1#1"
    live.record(first, dg.DagsterRunStatus.FAILURE)
    second = live.asked()
    assert (second.run_key, plan_of(second)) == ("plan:1#2", 1)
    third = live.record(second, dg.DagsterRunStatus.FAILURE)
    (oldest,) = (r for r in live.platform.instance.get_runs() if r.run_id != third)
    live.platform.instance.delete_run(oldest.run_id)
    assert live.asked().run_key == "plan:1#3", "a key that has a run is never launched again"

    assert live.run(live.asked()).success
    rest = live.asked()
    assert plan_of(rest) == 2
    assert live.run(rest).success
    assert "nothing new" in live.skipped()
    assert judge(live.settings, SENT).problems == []


def test_a_data_error_waits_for_a_person(live: Live) -> None:
    live.produce(SENT[:50])
    live.record(live.asked(), dg.DagsterRunStatus.FAILURE, **{FAILURE_TAG: "data"})
    output = live.skipped()
    assert "failed once" in output
    assert "fraud-platform retry plan" in output
    assert ask_again(live.platform.instance, "plan") == 1
    assert live.asked().tags["dagster/priority"] == "10"


@pytest.mark.slow
def test_a_plan_whose_model_failed_is_planned_anew_with_the_next_champion(live: Live) -> None:
    live.produce(HALVES[0])
    first = live.asked()
    live.registry.set_alias(CHAMPION, 2)
    under_way = live.record(first, dg.DagsterRunStatus.STARTED)
    assert "being scored" in live.skipped(), "two batches in flight"
    live.platform.instance.delete_run(under_way)
    live.record(first, dg.DagsterRunStatus.FAILURE, **{FAILURE_TAG: "data"})
    live.produce(HALVES[1])
    plans = PlanLog(live.platform.lake)
    second = live.asked()
    assert plan_of(second) == plan_of(live.asked()) == 2
    assert plans.read(2).model_version == 2
    assert plans.read(2).ranges == plans.read(1).ranges
    assert live.run(second).success
    live.score()
    assert judge(live.settings, SENT).problems == []
    assert list(model_problems(recent_batches(live.platform.lake), {2: 2, 3: 2})) == []


@pytest.mark.slow
def test_a_plan_whose_snapshot_is_gone_is_planned_anew_with_the_newest(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.produce(SENT[:200])
    live.asked()
    plans = PlanLog(live.platform.lake)
    vacuumed = plans.save(replace(plans.read(1), state_version="2018-07-29@7"))
    assert vacuumed is not None
    for failures in range(3):
        later = datetime.now(UTC) + timedelta(seconds=5 * 2**failures)
        monkeypatch.setattr(requests, "_now", lambda later=later: later)
        request = live.asked()
        assert plan_of(request) == vacuumed.number
        assert not live.run(request).success
    next_one = live.asked()
    assert plan_of(next_one) == vacuumed.number + 1
    assert live.run(next_one).success
    assert judge(live.settings, SENT[:200]).problems == []


def test_a_run_says_what_it_scored_and_its_checks_hold(live: Live) -> None:
    live.produce(SENT)
    judged_dead = [s.outcome for s in SENT if s.outcome not in ("scored", "duplicate")]
    run = live.score()

    batches = _materialized(live, "inference_batches")
    wanted = {
        "messages": len(SENT),
        "scored": len(ROWS),
        "dead_letters": len(judged_dead),
        "duplicates": sum(s.outcome == "duplicate" for s in SENT),
        "model_version": 1,
        "lag": 0,
    }
    assert {name: batches[name] for name in wanted} == wanted
    assert batches["micro_batches"] == batches["last_micro_batch"] >= 2
    late = live.platform.lake.read_arrow(SCORED, columns=["is_late", "is_alert"]).to_pandas()
    assert batches["late"] == late["is_late"].sum()
    assert batches["alerts"] == late["is_alert"].sum() > 0
    assert batches["messages_per_second"] > 0
    for what in ("durable", "published"):
        p50, p99, most = (batches[f"{what}_ms_{k}"] for k in ("p50", "p99", "max"))
        assert 0 < p50 <= p99 <= most
    assert {
        r.data["partition"]: r.data["lag"] for r in batches["lag_by_partition"].records
    } == dict.fromkeys(range(PARTITIONS), 0)
    for plot in ("latency", "scores"):
        assert "data:image/png;base64," in batches[plot]

    dead = _materialized(live, "dead_letters")
    for reason in set(judged_dead):
        assert dead[reason] == judged_dead.count(reason), reason

    checked = live.platform.instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in checked]
    results = [event.asset_check_evaluation_data for event in events if event is not None]
    assert len(results) == len(checked)
    assert {(r.check_name, r.passed) for r in results} == {
        (next(iter(check.check_keys)).name, True) for check in INFERENCE_CHECKS
    }


def _materialized(live: Live, asset: str) -> dict[str, Any]:
    """Return the metadata of the last materialization of an asset, each value as it is shown."""
    event = live.platform.instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    return {name: value.value for name, value in shown.items()}


def test_the_checks_see_lost_doubled_and_misattributed_rows(live: Live) -> None:
    live.produce(SENT[:600])
    live.score()
    recent = recent_batches(live.platform.lake)
    planned = {1: 1}

    def problems(**changed: Any) -> list[list[str]]:
        found = replace(recent, **changed)
        checks = offset_problems(found), count_problems(found), model_problems(found, planned)
        return [list(check) for check in checks]

    assert problems() == [[], [], []]
    first, second = recent.commits[:2]
    offsets, counts, models = problems(scored=recent.scored.slice(1))
    assert "the table has" in counts[0]
    assert not offsets + models
    doubled = pa.concat_tables([recent.scored, recent.scored.slice(0, 1)])
    offsets, counts, _ = problems(scored=doubled)
    assert "holds an offset twice" in offsets[0]
    assert "the table has" in counts[0]
    offsets, _, _ = problems(commits=[first, {**second, "number": 3}])
    assert offsets[0] == "micro-batch 3 follows 1"
    skipped = {**first, "end_offsets": {p: end + 1 for p, end in first["end_offsets"].items()}}
    offsets, _, _ = problems(commits=[skipped, *recent.commits[1:]])
    assert any("lie outside" in problem for problem in offsets)
    back = {**second, "end_offsets": dict.fromkeys(second["end_offsets"], 0)}
    assert any("goes back" in p for p in problems(commits=[first, back])[0])
    other = {**second, "topic_id": "another"}
    assert any("another topic" in p for p in problems(commits=[first, other])[0])
    uncounted = {**first, "counts": {**first["counts"], "messages_read": 10_000}}
    offsets, counts, _ = problems(commits=[uncounted, *recent.commits[1:]])
    assert "accounted for" in counts[0]
    nothing = {**first, "number": 0, "end_offsets": dict.fromkeys(first["end_offsets"], 0)}
    assert "read 10000" in problems(before=nothing, commits=[uncounted])[0][0]
    assert "expected model 2" in next(iter(model_problems(recent, {1: 2})))

    _add_a_row_again(live)
    passed = {}
    for check in INFERENCE_CHECKS:
        result = result_of(check, lake=live.platform.lake_resource)
        passed[next(iter(check.check_keys)).name] = result.passed
    assert passed == {
        "offsets_are_contiguous": False,
        "messages_are_conserved": False,
        "model_is_the_planned_one": True,
    }


def _add_a_row_again(live: Live) -> None:
    from deltalake import DeltaTable, write_deltalake

    rows = live.platform.lake.read_arrow(SCORED)
    write_deltalake(DeltaTable(live.platform.lake.uri(SCORED)), rows.slice(0, 1), mode="append")


def test_materializing_without_a_plan_is_refused_with_what_to_do(live: Live) -> None:
    run = live.run(dg.RunRequest(run_key="by hand#1", partition_key="2026-07-01-00:00"))
    assert not run.success
    assert "sensor live_transactions: turn it on" in str(run.error)


def test_with_the_broker_down_the_sensor_waits(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from fraud_platform.adapters.kafka import follower_mark
    from fraud_platform_tests.testing.ports import free_port

    monkeypatch.setattr(follower_mark, "_ANSWER_SECONDS", 0.5)
    live.platform.choose(kafka_bootstrap=f"127.0.0.1:{free_port()}")
    output = live.skipped()
    assert "Kafka at 127.0.0.1" in output
    assert "did not answer" in output


@pytest.mark.slow
def test_checks_of_batches_hold_on_a_log_that_runs_clean(live: Live) -> None:
    lake = live.platform.lake
    for third in (SENT[i::3] for i in range(3)):
        live.produce(third)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(MANY_COMMITS, "delta.logRetentionDuration", "interval 0 seconds")
            live.score()
        recent = recent_batches(lake)
        assert len(recent.commits) == (recent.before == {})  # none but the very first
        assert recent.before.get("number", 1) == ScoringLog(lake).number
    live.produce(SENT[:50])
    live.score()
    recent = recent_batches(lake)
    assert len(recent.commits) == 1
    assert list(offset_problems(recent)) + list(count_problems(recent)) == []


def test_runs_merge_small_files(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraud_platform.adapters.tables.merging.LEVELS", ((64 << 20, 2),))
    for half in HALVES:
        live.produce(half)
        live.score()
    lake = live.platform.lake
    assert [lake.data_files(table).num_rows for table in (SCORED, INFERENCE_PLANS)] == [1, 1]
    last = PlanLog(lake).last()
    assert last is not None
    assert (ScoringLog(lake).number, last.number) == (4, 2)
    assert judge(live.settings, SENT).problems == []


def test_the_sensor_waits_while_somebody_follows(live: Live) -> None:
    live.produce(SENT[:50])
    topic = live.settings.transactions_topic
    with FollowerMark(live.connection, topic, "score --follow, process 7 on tester"):
        assert live.skipped().startswith("score --follow, process 7 on tester scores")
    assert plan_of(live.asked()) == 1


def test_a_run_leaves_the_lease_to_who_follows_since_it_was_asked_for(live: Live) -> None:
    live.produce(SENT[:50])
    asked, topic = live.asked(), live.settings.transactions_topic
    with FollowerMark(live.connection, topic, "score --follow, process 7 on tester"):
        run = live.run(asked)
        assert "FencedError: score --follow, process 7 on tester scores" in str(run.error)
    assert ScoringLog(live.platform.lake).number == 0
    live.score()
    assert judge(live.settings, SENT[:50]).problems == []


def test_each_plan_keeps_the_champion_that_it_was_made_with(live: Live) -> None:
    live.produce(HALVES[0])
    first = live.asked()
    live.registry.set_alias(CHAMPION, 2)
    assert live.run(first).success
    live.produce(HALVES[1])
    live.score()
    rows = live.platform.lake.read_arrow(SCORED, columns=["transaction_id", "model_version"])
    versions = dict(zip(*(rows[n].to_pylist() for n in rows.column_names), strict=True))
    for version, half in enumerate(HALVES, 1):
        for sent in half:
            if sent.outcome == "scored":
                assert versions[sent.transaction_id] == version
    assert list(model_problems(recent_batches(live.platform.lake), {1: 1, 2: 2})) == []
    commits = recent_batches(live.platform.lake).commits
    assert {commit["plan"]: commit["model_version"] for commit in commits} == {1: 1, 2: 2}
