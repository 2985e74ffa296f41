"""The inference group: a sensor plans live transactions, runs score each of them once.

Here: the Kafka sensor, the job, the assets `inference_batches`, `dead_letters`, `topic_labels`.
Not here: planning (`operations.live.planning`), scoring (`fraud_platform.scoring`), the page of a
batch (`defs.pages.inference`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import follower
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.compaction import Compaction
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.span import keep_planning_hour
from fraud_platform.defs.automation.requests import (
    LIVE,
    Turn,
    request_of,
    run_request,
    runs_of,
    turn_of,
)
from fraud_platform.defs.dagster_internals import PRIORITY_TAG
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import FAILURE_TAG, stop_or_retry
from fraud_platform.defs.pages.inference import LINEAGE, lag_behind, metadata_of
from fraud_platform.defs.pages.tables import table_spec
from fraud_platform.defs.partitions import HOURS
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource, SparkResource
from fraud_platform.errors import DataError, Outage
from fraud_platform.operations.live.planning import plan_next, replan
from fraud_platform.operations.live.session import load_model, open_scorer, read_highs
from fraud_platform.operations.models.champion import known_digest
from fraud_platform.operations.services.code_location import reload_definitions
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.plans import Plan, PlanLog
from fraud_platform.scoring.scorer import Progress
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
    OF_MANY_COMMITS,
    SCORED,
    TOPIC_LABELS,
)

_ALL = dg.AllPartitionMapping()
PRIORITY = {PRIORITY_TAG: "10"}
"""Live scoring runs before every other queued run."""
_SAME_PLAN_RUNS = 3
"""After so many failures, a plan may be replaced if its model or snapshot is missing."""
_KINDS = {"kafka", "spark", "deltalake"}


topic_labels = table_spec(TOPIC_LABELS, "inference", [], {"kafka", "deltalake"}, {})
"""Written by scorers, which take in labels before each plan."""


class PlanConfig(dg.Config):
    """The plan that a run carries out; the Kafka sensor sets it."""

    plan: int = 0


@dg.multi_asset(
    name="score_plan",
    partitions_def=HOURS,
    pool="scoring",
    specs=[
        table_spec(
            SCORED,
            "inference",
            [dg.AssetDep("promotion", partition_mapping=_ALL), "scoring_state", "topic_labels"],
            _KINDS,
            LINEAGE,
            name="inference_batches",
        ),
        table_spec(DEAD_LETTERS, "inference", [], _KINDS, {}, skippable=True),
    ],
)
@stop_or_retry
def score_plan(
    context: dg.AssetExecutionContext,
    config: PlanConfig,
    spark: SparkResource,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> Iterable[dg.MaterializeResult[None]]:
    """Carry out a plan: score its messages in micro-batches, commit, publish."""
    tables = lake.open()
    plan = _plan(tables, config.plan)
    version = plan.model_version
    model = load_model(registry.open(), version, known_digest(tables, version))
    progress = _carry_out(context, settings, tables, plan, model, spark)
    lag = lag_behind(tables, read_highs(settings))
    return metadata_of(tables, progress, model.version, model.candidate.threshold.value, lag)


def _carry_out(
    context: dg.AssetExecutionContext,
    settings: Settings,
    tables: Lake,
    plan: Plan,
    model: PinnedModel,
    spark: SparkResource,
) -> Progress:
    """Score the rest of a plan, with a log line after each micro-batch."""
    session = None if settings.scoring_engine == "inprocess" else lambda: spark.spark_session
    kind = f"run {context.run.run_id[:8]}"
    with open_scorer(settings, tables, plan.state_version, kind, session, gives_way=True) as scorer:
        compaction = Compaction(tables, OF_MANY_COMMITS)
        scorer.carry_out(
            plan,
            model,
            {"run_id": context.run.run_id},
            lambda batch: context.log.info(
                f"micro-batch {batch.number}: {dict(batch.counts)}, offsets {batch.end_offsets}"
            ),
        )
        compaction.try_look()
        if compaction.problem:
            context.log.warning(compaction.problem)
        return scorer.progress


def _plan(lake: Lake, number: int) -> Plan:
    """Return the plan of a run.

    Raises:
        DataError: the run was started without one.
    """
    if number < 1:
        raise DataError(
            "inference_batches: expected a plan in the run's config, found none. Batches are "
            "planned by the sensor live_transactions: turn it on, and it requests this run."
        )
    return PlanLog(lake).read(number)


score_job = dg.define_asset_job(
    "score_transactions",
    selection=dg.AssetSelection.assets("inference_batches", "dead_letters"),
    partitions_def=HOURS,
    executor_def=dg.in_process_executor,
    description="Score one plan of live transactions.",
)


@dg.sensor(
    job=score_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Plans exact offset ranges after what is committed; one batch in flight.",
)
def live_transactions(
    context: dg.SensorEvaluationContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> dg.SensorResult:
    """Request the run of the next plan; the truth is the scored table, never the cursor."""
    try:
        connection = KafkaConnection.from_settings(settings)
        if other := follower(connection, settings.transactions_topic):
            return _skip(f"{other} scores; the sensor waits until it ends")
        step = plan_next(settings, lake.open(), registry.open())
        if step.plan is None:
            return _skip(step.reason)
        plan = _usable(context.instance, lake.open(), registry.open(), step.plan)
    except Outage as error:
        return _skip(f"{error} The sensor tries again.")
    turn = turn_of(context.instance, request_of(plan.number), f"plan {plan.number}", LIVE)
    if turn.attempt is not None:
        asked = _request(plan, turn)
        if keep_planning_hour(settings.home, str(asked.partition_key)):
            reload_definitions(settings)
        return dg.SensorResult(run_requests=[asked])
    if turn.problem is None or turn.under_way:
        return _skip(f"plan {plan.number} is being scored: {turn.reason}")
    return _skip(f"{turn.reason}. A new champion or a new snapshot of the state replaces the plan.")


def _usable(instance: dg.DagsterInstance, lake: Lake, registry: ModelRegistry, plan: Plan) -> Plan:
    """Return a plan, or its replacement if it cannot be used and its model or snapshot changed.

    A run that was killed or met an outage is requested again for the same plan.
    """
    runs = runs_of(instance, request_of(plan.number))
    is_wrong = any(run.tags.get(FAILURE_TAG) == "data" for run in runs)
    if not all(run.is_finished for run in runs) or not (is_wrong or len(runs) >= _SAME_PLAN_RUNS):
        return plan
    return replan(lake, registry, plan) or plan


def _request(plan: Plan, turn: Turn) -> dg.RunRequest:
    config = dg.RunConfig(ops={"score_plan": PlanConfig(plan=plan.number)})
    hour = datetime.now(UTC).strftime("%Y-%m-%d-%H:00")
    return run_request(turn, hour, PRIORITY, config.to_config_dict())


def _skip(reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason))
