"""What Dagster is shown: groups, schemas, lineage, owners, automation that runs by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import dagster as dg
import pytest

from fraud_platform.definitions import defs
from fraud_platform.defs.partitions import TEST_DAYS, TRAINING_DAYS, WEEKS

GROUPS = {
    "raw": {"raw_drops"},
    "cleaned": {"transactions", "quarantine", "labels", "cleaning_ledger"},
    "features": {"label_tiles", "terminal_tiles", "transaction_features", "customer_tiles"},
    "model": {"training_set", "candidate_model"},
    "comparison": {"ab_report"},
    "promotion": {"promotion"},
    "inference": {
        "scoring_state",
        "topic_labels",
        "inference_batches",
        "dead_letters",
        "stream_disagreements",
    },
    "operations": {"clusters"},
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_every_asset_is_in_its_group(specs: dict[str, dg.AssetSpec]) -> None:
    found: dict[str, set[str]] = {}
    for name, spec in specs.items():
        found.setdefault(str(spec.group_name), set()).add(name)
    assert found == GROUPS


def test_every_asset_says_who_owns_it_what_it_is_and_what_made_it(
    specs: dict[str, dg.AssetSpec],
) -> None:
    for name, spec in specs.items():
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.description, name
        if name != "candidate_model":
            assert spec.metadata["columns"].columns, name


def test_column_lineage_names_only_assets_and_columns_that_exist(
    specs: dict[str, dg.AssetSpec],
) -> None:
    columns = {
        name: {c.name for c in spec.metadata["columns"].columns}
        for name, spec in specs.items()
        if "columns" in spec.metadata
    }
    pairs = [
        (dep.asset_key.to_user_string(), dep.column_name)
        for spec in specs.values()
        if "dagster/column_lineage" in spec.metadata
        for deps in spec.metadata["dagster/column_lineage"].deps_by_column.values()
        for dep in deps
    ]
    assert len(pairs) > 100
    assert [p for p in pairs if p[1] not in columns[p[0]]] == []


def test_data_flows_from_the_drop_to_the_promotion(specs: dict[str, dg.AssetSpec]) -> None:
    upstream = {n: {d.asset_key.to_user_string() for d in s.deps} for n, s in specs.items()}
    assert upstream["transactions"] == {"raw_drops"}
    assert upstream["transaction_features"] >= {"transactions", "label_tiles", "terminal_tiles"}
    assert upstream["training_set"] == {"transaction_features", "labels"}
    assert upstream["candidate_model"] == {"training_set"}
    assert upstream["ab_report"] >= {"candidate_model", "transaction_features"}
    assert upstream["promotion"] == {"ab_report"}
    assert upstream["scoring_state"] == {"customer_tiles", "terminal_tiles", "label_tiles"}
    assert upstream["inference_batches"] == {"promotion", "scoring_state", "topic_labels"}


def test_the_sensor_and_the_schedules_run_without_being_switched_on() -> None:
    assert {s.default_status for s in defs.sensors or ()} == {dg.DefaultSensorStatus.RUNNING}
    schedules = [s for s in defs.schedules or () if isinstance(s, dg.ScheduleDefinition)]
    assert len(schedules) == len(list(defs.schedules or ()))
    assert {s.default_status for s in schedules} == {dg.DefaultScheduleStatus.RUNNING}


@pytest.mark.parametrize(
    ("mapping", "first", "last"),
    [
        # D = 2018-07-30: training [D - 49 d, D - 21 d), test [D - 14 d, D - 7 d)
        (TRAINING_DAYS, "2018-06-11", "2018-07-08"),
        (TEST_DAYS, "2018-07-16", "2018-07-22"),
    ],
)
def test_a_knowledge_date_depends_on_the_days_it_learns_from_or_is_tested_on(
    mapping: dg.PartitionMapping, first: str, last: str
) -> None:
    from fraud_platform.defs.partitions import DAYS

    mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
        WEEKS.subset_with_partition_keys(["2018-07-30"]), WEEKS, DAYS
    )
    keys = sorted(mapped.partitions_subset.get_partition_keys())
    assert (keys[0], keys[-1]) == (first, last)


def test_a_knowledge_date_is_a_monday() -> None:
    assert WEEKS.get_partition_keys()[:2] == ["2018-04-02", "2018-04-09"]


def test_schedules_run_by_themselves_unless_they_are_set_to_be_stopped() -> None:
    status = "{s.default_status.value for s in defs.schedules}"
    code = f"from fraud_platform.definitions import defs; print(*{status})"
    stopped = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FRAUD_SCHEDULES": "stopped"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert stopped.stdout.split() == ["STOPPED"]
    assert {schedule.default_status.value for schedule in defs.schedules or []} == {"RUNNING"}
