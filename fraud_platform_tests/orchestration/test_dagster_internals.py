"""The contract of each name that the platform takes from Dagster's private modules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fraud_platform.defs import dagster_internals as internals
from fraud_platform.defs.automation.requests import FINISHED, UNDER_WAY

DAYS = dg.DailyPartitionsDefinition("2018-04-01")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def keys_of_run(instance: dg.DagsterInstance, **run: Any) -> tuple[list[str], dg.DagsterRun]:
    """Run an asset of days; return the partitions that it got, and the run."""
    seen: list[str] = []

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def thing(context: dg.AssetExecutionContext) -> None:
        seen.extend(context.partition_keys)

    job = dg.define_asset_job("job", [thing], executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[thing], jobs=[job])
    result = definitions.resolve_job_def("job").execute_in_process(instance=instance, **run)
    assert result.success
    return seen, result.dagster_run


def test_a_run_of_one_partition_names_it_in_a_tag(instance: dg.DagsterInstance) -> None:
    _, run = keys_of_run(instance, partition_key="2018-04-03")
    assert run.tags[internals.PARTITION_NAME_TAG] == "2018-04-03"


def test_two_tags_make_a_run_of_a_range_of_partitions(instance: dg.DagsterInstance) -> None:
    tags = {
        internals.ASSET_PARTITION_RANGE_START_TAG: "2018-04-03",
        internals.ASSET_PARTITION_RANGE_END_TAG: "2018-04-05",
    }
    keys, _ = keys_of_run(instance, tags=tags)
    assert keys == ["2018-04-03", "2018-04-04", "2018-04-05"]


def test_the_other_tags_are_those_that_dagster_documents() -> None:
    assert internals.MAX_RETRIES_TAG == "dagster/max_retries"
    assert internals.PRIORITY_TAG == "dagster/priority"
    assert internals.GRPC_INFO_TAG == ".dagster/grpc_info"


def test_the_events_of_a_run_are_in_a_database_of_its_own(instance: dg.DagsterInstance) -> None:
    _, run = keys_of_run(instance, partition_key="2018-04-03")
    storage = instance.event_log_storage
    assert isinstance(storage, internals.SqliteEventLogStorage)
    path = Path(storage.path_for_shard(run.run_id))
    assert path.is_file()
    assert path.name == f"{run.run_id}.db"


def test_results_of_checks_are_rows_that_name_their_run(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def thing() -> None: ...

    @dg.asset_check(asset=thing)
    def whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    runs = {dg.materialize([thing, whole], instance=instance).run_id for _ in range(2)}
    storage = instance.event_log_storage
    assert isinstance(storage, internals.SqlEventLogStorage)
    with storage.index_connection() as connection:
        rows = connection.execute(internals.AssetCheckExecutionsTable.select()).fetchall()
    assert {row.run_id for row in rows} == runs


def test_logs_of_ticks_lie_in_a_folder_for_each_key(instance: dg.DagsterInstance) -> None:
    manager = instance.compute_log_manager
    assert isinstance(manager, internals.LocalComputeLogManager)
    one, other = (Path(manager.get_captured_local_path([key], "out")) for key in ("a", "b"))
    assert (one.parent, one.name) == (other.parent, "a.out")


def test_a_schedule_that_was_switched_off_is_an_instigator_state() -> None:
    assert {"instigator_type", "origin", "status", "selector_id"} <= set(
        dir(internals.InstigatorState)
    )
    assert internals.InstigatorStatus.STOPPED.value == "STOPPED"
    assert {"STARTED", "FAILURE"} <= {status.value for status in internals.TickStatus}


def test_a_run_is_finished_or_under_way() -> None:
    queued = dg.DagsterRunStatus.QUEUED  # such a run needs more than a status
    assert queued in UNDER_WAY
    for status in set(dg.DagsterRunStatus) - {queued}:
        run = dg.DagsterRun("job", status=status)
        assert run.is_finished == (status in FINISHED) == (status not in UNDER_WAY)
