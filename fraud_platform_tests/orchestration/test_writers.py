"""Every writer of every table, by name: one asset with a pool of one, or the holder of a lease."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import cast

import dagster as dg
import yaml

import fraud_platform
from fraud_platform.definitions import defs
from fraud_platform.operations.services.dagster_home import write_dagster_yaml
from fraud_platform.settings import Settings
from fraud_platform.tables.catalog import ALL_TABLES

PACKAGE = Path(fraud_platform.__file__).parent
COMMITS = {
    "replace_arrow",
    "commit_files",
    "numbered",
    "PairedTables",
    "restore",
    "swap_files",
}


def found_writers() -> set[tuple[str, str]]:
    """Return (module, table as the code names it) of every call that commits or can."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func).split(".")[-1]
            is_lake = name == "replace" and "contract" not in ast.unparse(node.args[0])
            if name in COMMITS or (is_lake and len(node.args) >= 4):
                first = node.args[1 if name in ("PairedTables", "swap_files") else 0]
                found.add((str(path.relative_to(PACKAGE)), f"{name} {ast.unparse(first)}"))
    return found


POOL, LEASE, NUMBER = "a pool of one", "the lease of the transactions topic", "its numbers"
"""What keeps a second writer away: Dagster, Kafka, or the table's own log."""

WRITERS = {
    "transactions": ("cleaning/publish.py", POOL, "transactions"),
    "quarantine": ("cleaning/publish.py", POOL, "transactions"),
    "drop_labels": ("cleaning/labels.py", POOL, "transactions"),
    "texts": ("cleaning/publish.py", POOL, "transactions"),
    "text_exceptions": ("cleaning/texts.py", POOL, "transactions"),
    "cleaning_ledger": ("cleaning/ledger.py", POOL, "transactions"),
    "drop_days": ("operations/platform_state.py", POOL, "transactions"),
    "label_tiles": ("features/batch/materialize.py", POOL, "features"),
    "transaction_features": ("features/batch/materialize.py", POOL, "features"),
    "customer_tiles": ("features/batch/materialize.py", POOL, "features"),
    "terminal_tiles": ("features/batch/materialize.py", POOL, "features"),
    "feature_days": ("operations/platform_state.py", POOL, "features"),
    "stream_labels": ("scoring/state/history.py", POOL, "features"),
    "training_set": ("defs/assets/model.py", POOL, "training_set"),
    "ab_report": ("defs/assets/comparison.py", POOL, "ab_report"),
    "promotion_history": ("operations/models/decisions.py", NUMBER, None),
    "scoring_state": ("scoring/state/snapshot.py", POOL, "scoring_state"),
    "inference_plans": ("scoring/plans.py", NUMBER, None),
    "scored": ("scoring/log.py", LEASE, None),
    "scored_days": ("stream/scored_counts.py", NUMBER, None),
    "dead_letters": ("scoring/log.py", LEASE, None),
    "topic_labels": ("scoring/label_intake.py", NUMBER, None),
    "dead_labels": ("scoring/label_intake.py", NUMBER, None),
    "stream_disagreements": ("monitoring/disagreements.py", POOL, "stream_disagreements"),
    "clusters": ("adapters/spark/clusters/ledger.py", NUMBER, None),
    "rescored": ("operations/live/replay.py", "a partition of its own for each replay", None),
}

CALLS = {
    ("adapters/spark/clusters/ledger.py", "numbered CLUSTERS"),
    ("adapters/tables/lake.py", "commit_files table"),  # what Spark wrote, for `replace`
    ("adapters/tables/lake.py", "restore version"),
    ("adapters/tables/mending.py", "swap_files table"),  # fenced by the files that it removes
    ("adapters/tables/merging.py", "swap_files table"),
    ("cleaning/labels.py", "commit_files DROP_LABELS"),
    ("cleaning/ledger.py", "replace_arrow CLEANING_LEDGER"),
    ("cleaning/publish.py", "commit_files table"),
    ("cleaning/texts.py", "replace_arrow TEXT_EXCEPTIONS"),
    ("cleaning/unfinished.py", "restore table"),
    ("operations/models/champion.py", "restore now"),  # a decision, not a version of a table
    ("defs/assets/comparison.py", "replace_arrow AB_REPORT"),
    ("operations/models/decisions.py", "numbered PROMOTION_HISTORY"),
    ("operations/live/replay.py", "replace_arrow RESCORED"),
    ("defs/assets/model.py", "replace TRAINING_SET"),
    ("operations/needs.py", "PairedTables TOPIC_LABELS"),  # reads alone
    ("operations/platform_state.py", "replace_arrow DROP_DAYS"),
    ("operations/platform_state.py", "replace_arrow FEATURE_DAYS"),
    ("operations/live/stream_time.py", "numbered TOPIC_LABELS"),
    (
        "operations/live/stream_time.py",
        "replace_arrow SCORING_STATE",
    ),  # removes snapshots ahead, by predicate
    ("features/batch/materialize.py", "commit_files table"),
    ("monitoring/disagreements.py", "numbered SCORED"),  # reads alone
    ("monitoring/disagreements.py", "replace_arrow STREAM_DISAGREEMENTS"),
    ("scoring/state/history.py", "numbered SCORED"),  # reads alone, as recovery does
    ("scoring/state/history.py", "replace_arrow STREAM_LABELS"),
    ("scoring/label_intake.py", "PairedTables TOPIC_LABELS"),
    ("scoring/log.py", "PairedTables SCORED"),
    ("scoring/pairs.py", "numbered dead"),
    ("scoring/pairs.py", "numbered results"),
    ("scoring/plans.py", "numbered INFERENCE_PLANS"),
    ("scoring/state/recovery.py", "numbered TOPIC_LABELS"),
    ("scoring/state/snapshot.py", "numbered SCORED"),  # reads alone
    ("stream/scored_counts.py", "numbered SCORED_DAYS"),
    ("stream/scored_counts.py", "numbered SCORED"),  # reads alone
    ("scoring/state/snapshot.py", "replace SCORING_STATE"),
    ("scoring/state/snapshot_stream.py", "numbered SCORED"),  # reads alone
    ("scoring/state/snapshot_stream.py", "numbered TOPIC_LABELS"),
}
"""Every call that commits to a table, or opens one to append to it."""


def test_every_table_has_one_writer_and_something_that_keeps_a_second_away() -> None:
    assert set(WRITERS) == {table.name for table in ALL_TABLES}
    for table, (module, guard, pool) in WRITERS.items():
        assert (guard == POOL) == (pool is not None), table
        assert module in {path for path, _ in CALLS}, table


def test_nothing_else_commits() -> None:
    assert found_writers() == CALLS


def test_every_asset_has_a_pool_that_no_other_has() -> None:
    assets = [a for a in defs.assets or () if isinstance(a, dg.AssetsDefinition)]
    pools = [cast("dg.OpDefinition", asset.node_def).pool for asset in assets]
    assert None not in pools
    assert len(set(pools)) == len(pools)
    assert {pool for _, _, pool in WRITERS.values() if pool} <= set(pools)


def test_a_pool_lets_one_run_write_at_a_time(tmp_path: Path) -> None:
    written = yaml.safe_load(write_dagster_yaml(Settings(home=tmp_path)).read_text())
    assert written["concurrency"]["pools"]["default_limit"] == 1


def test_spark_commits_nothing_itself() -> None:
    """Its commit on S3 is a check and a put, by which two drivers can lose one."""
    readers = [p for p in PACKAGE.rglob("*.py") if '.format("delta")' in p.read_text()]
    assert {p.name for p in readers} == {"lake.py", "classes.py"}
    for path in readers:
        assert re.findall(r'(\w+)\.format\("delta"\)', path.read_text()) == ["read"], path
