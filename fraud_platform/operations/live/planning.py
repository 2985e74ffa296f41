"""The plan of the next scoring run, derived from the committed state.

Here: `plan_next`, which continues an unfinished plan or makes the next one; `replan`, which
replaces a plan that failed.
Not here: the sensor (`defs.assets.inference`), the rules (`fraud_platform.scoring.plans`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.open_transactions import uncommitted
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import Outage
from fraud_platform.operations.live.session import names_of, topic_now
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.plans import Plan, PlanLog, TopicNow, check_topic, ranges_to_plan
from fraud_platform.scoring.publishing import last_published
from fraud_platform.scoring.state.recovery import NO_SNAPSHOT
from fraud_platform.scoring.state.snapshot import newest_snapshot
from fraud_platform.settings import Settings
from fraud_platform.stream.batching import Ranges


@dataclass(frozen=True)
class NextStep:
    """A plan to carry out, or why there is none."""

    plan: Plan | None
    reason: str = ""


def plan_next(settings: Settings, lake: Lake, registry: ModelRegistry) -> NextStep:
    """Return the plan to carry out now; it is stored before a run is requested.

    Raises:
        OffsetGapError, TopicChangedError: scoring cannot continue where it stopped.
        ChampionMismatchError, RegistryLostError: registry and promotion history disagree.
        Outage: Kafka or MLflow does not answer.
    """
    log, plans = ScoringLog(lake), PlanLog(lake)
    # the next scoring may be days away; dead letters must not wait for it
    log.settle()
    metadata = log.last()
    committed, topic_id = offsets_in(metadata), metadata.get("topic_id")
    last = plans.last()
    # read after the committed offsets: rows scored in between would look like lost messages
    with closing(KafkaTopics(KafkaConnection.from_settings(settings))) as topics:
        now = topic_now(topics, settings.transactions_topic)
    check_topic(now, topic_id, committed)
    if last is not None and last.topic_id == now.topic_id and not last.is_done(committed):
        # a plan that met a gap is dropped once the gap is accepted
        is_before_gap = "gap" in metadata and any(
            start != committed.get(p) for p, (start, _) in last.ranges.items()
        )
        if not is_before_gap:
            return NextStep(last)
    ranges = ranges_to_plan(now, committed, settings.max_plan_messages)
    if not ranges and _is_published(settings, log, now.topic_id):
        return NextStep(None, f"nothing new on {now.topic}{_what_waits(settings, now.topic)}")
    if not ranges:
        # a run died before it published its last micro-batch: an empty plan publishes it
        ranges = {p: (end, end) for p, end in committed.items()}
        if last is not None and last.ranges == ranges:
            return NextStep(last)
    champion = find_champion(lake, registry).require().version
    if champion is None:
        waiting = sum(end - start for start, end in ranges.values())
        return NextStep(
            None,
            f"{waiting} messages wait on {now.topic}, but there is no champion yet: scoring "
            "pauses until a candidate is promoted (the weekly decision, or fraud-platform approve)",
        )
    plan = plans.save(_new_plan(lake, now, ranges, champion))
    return NextStep(plan, "" if plan else "another planner was first")


def replan(lake: Lake, registry: ModelRegistry, plan: Plan) -> Plan | None:
    """Plan the rest of a failed plan again, with the current champion and snapshot.

    This version may be unable to use the plan's model, and vacuum may have removed its snapshot.

    Returns:
        The new plan; None if it would be the same, or if another planner was first.

    Raises:
        Outage: MLflow does not answer.
    """
    champion, snapshot = find_champion(lake, registry).require().version, _snapshot_now(lake)
    if champion is None or (champion, snapshot) == (plan.model_version, plan.state_version):
        return None
    left = plan.remaining(offsets_in(ScoringLog(lake).last()))
    now = TopicNow(plan.topic, plan.topic_id, {})
    return PlanLog(lake).save(_new_plan(lake, now, left, champion))


def _new_plan(lake: Lake, now: TopicNow, ranges: Ranges, champion: int) -> Plan:
    return Plan(
        0, now.topic, now.topic_id, ranges, champion, _snapshot_now(lake),
        datetime.now(UTC), version("fraud-platform"),
    )  # fmt: skip


def _snapshot_now(lake: Lake) -> str:
    snapshot = newest_snapshot(lake)
    return NO_SNAPSHOT if snapshot is None else str(snapshot)


def _what_waits(settings: Settings, topic: str) -> str:
    """Describe the messages that a producer sent and did not commit; empty if there are none."""
    connection = KafkaConnection.from_settings(settings)
    with closing(KafkaTopics(connection)) as topics:
        waits = uncommitted(connection, topics, topic)
    return f"; {waits}" if waits else ""


def _is_published(settings: Settings, log: ScoringLog, topic_id: str) -> bool:
    """Return whether the last micro-batch is published.

    A transaction that a killed scorer left open delays the answer until the next lease aborts it.
    """
    topics = KafkaTopics(KafkaConnection.from_settings(settings))
    try:
        return last_published(log, topics, names_of(settings, topic_id)) >= log.number
    except Outage:
        return False
    finally:
        topics.close()
