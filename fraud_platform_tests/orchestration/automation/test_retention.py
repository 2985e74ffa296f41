"""What runs, looks and programs leave on disk is bounded, however many there are."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from fraud_platform.adapters.services.cleanup import (
    bound_logs,
    clear_leftovers,
    in_scratch_folder,
    scratch_folder,
)
from fraud_platform.adapters.services.processes import Service, start
from fraud_platform.defs.automation.requests import ask
from fraud_platform.defs.automation.retention import (
    forget_check_results,
    forget_runs,
    remove_orphaned_files,
    remove_tick_logs,
)
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform_tests.testing.waiting import wait_for
from fraud_platform_tests.testing.worlds.platform import run_of


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    context.log.info("a micro-batch")


@dg.job(executor_def=dg.in_process_executor)
def score_transactions() -> None:
    work()


@dg.job(executor_def=dg.in_process_executor)
def load_drop() -> None:
    work()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster on files of its own, as a laptop has it."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as made:
        yield made


def run(instance: dg.DagsterInstance, job: dg.JobDefinition) -> str:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(instance=instance, run_config=quiet).run_id


def run_files(tmp_path: Path, run_id: str) -> list[str]:
    return [str(path) for path in tmp_path.rglob("*") if run_id in str(path)]


def _contains(log: Path, text: str) -> bool:
    return text in log.read_text()


def later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


def test_a_forgotten_run_leaves_no_file(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Dagster deletes a run's rows, but leaves its database of 128 KB: 17 GB a month of scoring."""
    runs = [run(instance, load_drop) for _ in range(3)]
    assert all(run_files(tmp_path, one) for one in runs)
    assert forget_runs(instance, later(seconds=1)) == 3
    assert [run_files(tmp_path, one) for one in runs] == [[], [], []]
    again = run(instance, load_drop)
    assert run_of(instance, again).is_success


def test_databases_of_runs_that_were_deleted_earlier_go_too(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    deleted, kept = run(instance, load_drop), run(instance, load_drop)
    instance.delete_run(deleted)
    assert len(run_files(tmp_path / "history", deleted)) >= 1
    assert remove_orphaned_files(instance) == 1
    assert run_files(tmp_path / "history", deleted) == []
    assert len(run_files(tmp_path / "history", kept)) >= 1
    assert len(instance.all_logs(kept)) > 0


def test_results_of_checks_of_deleted_runs_go_too(instance: dg.DagsterInstance) -> None:
    """Dagster keeps them: three rows of 2 KB for each plan that was scored."""

    @dg.asset
    def scored() -> None: ...

    @dg.asset_check(asset=scored)
    def whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    runs = [dg.materialize([scored, whole], instance=instance).run_id for _ in range(3)]
    assert forget_runs(instance, later(seconds=1)) == 2
    assert runs_with_results(instance) == set(runs)
    assert forget_check_results(instance) == 2
    assert runs_with_results(instance) == {runs[-1]}
    assert forget_check_results(instance) == 0


def runs_with_results(instance: dg.DagsterInstance) -> set[str]:
    key = dg.AssetCheckKey(dg.AssetKey("scored"), "whole")
    found = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    return {record.run_id for record in found}


def test_runs_that_scored_a_plan_are_forgotten_sooner_but_not_one_that_failed(
    instance: dg.DagsterInstance,
) -> None:
    scored, loaded = run(instance, score_transactions), run(instance, load_drop)
    asked = ask(instance, "plan:7", "plan 7")
    assert isinstance(asked, dg.RunRequest)
    failed = instance.add_run(
        dg.DagsterRun(
            "score_transactions",
            tags={**asked.tags, FAILURE_TAG: "outage"},
            status=dg.DagsterRunStatus.FAILURE,
        )
    ).run_id
    assert forget_runs(instance, later(days=-90), later(days=-2)) == 0
    assert forget_runs(instance, later(days=-90), later(seconds=1)) == 1
    assert {one.run_id for one in instance.get_runs()} == {loaded, failed}
    assert not instance.has_run(scored)


def test_logs_of_looks_long_past_are_removed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    kept = run(instance, load_drop)
    folder = tmp_path / "storage" / "__repository__" / "new_drops"
    folder.mkdir(parents=True)
    for name, days in (("1.err", 8), ("2.err", 1)):
        (folder / name).write_text("a drop's name")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    assert remove_tick_logs(instance) == 1
    assert [path.name for path in folder.iterdir()] == ["2.err"]
    assert run_files(tmp_path / "storage", kept)


def test_a_log_is_emptied_while_its_program_writes_on(tmp_path: Path) -> None:
    """A program that does not append would leave a file as long as before, full of zeros."""
    ticks = [tmp_path / str(number) for number in range(3)]
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "for number, path in enumerate(sys.argv[1:]):\n"
        "    print(f'look {number} ' * 1000, flush=True)\n"
        "    while not Path(path).exists(): time.sleep(0.01)\n"
        "print('the end', flush=True)"
    )
    command = (sys.executable, "-c", program, *map(str, ticks))
    started = start(Service("dagster", command, 1), tmp_path / "run", tmp_path / "logs")
    log = tmp_path / "logs" / "dagster.log"
    try:
        for number, tick in enumerate(ticks):
            look = f"look {number}"
            wait_for(partial(_contains, log, look), 20, look, every=0.01)
            assert list(bound_logs(tmp_path / "logs", 1_000)) == ["dagster.log"]
            assert log.stat().st_size == 0
            kept = (tmp_path / "logs" / "dagster.log.1").read_text()
            assert len(kept) == 1_000
            assert f"look {number}" in kept
            tick.touch()
        assert started.process.wait(20) == 0
    finally:
        started.process.kill()
    assert log.read_text() == "the end\n"
    assert list(bound_logs(tmp_path / "logs", 1_000)) == []


def test_what_a_killed_process_left_is_removed_and_a_living_one_keeps_its_files(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, tempfile\nfrom pathlib import Path\n"
        "from fraud_platform.adapters.services.cleanup import in_scratch_folder\n"
        "with in_scratch_folder(Path(sys.argv[1])):\n"
        "    folder = tempfile.mkdtemp()\n    print(folder, flush=True)\n    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    assert left.is_relative_to(tmp_path / "tmp")
    before = tempfile.gettempdir()
    with in_scratch_folder(tmp_path), tempfile.NamedTemporaryFile() as mine:
        assert list(clear_leftovers(tmp_path)) == []
        process.kill()
        process.wait()
        assert list(clear_leftovers(tmp_path)) == [f"tmp/{process.pid}"]
        assert Path(mine.name).is_relative_to(scratch_folder(tmp_path))
        assert Path(mine.name).exists()
    assert not left.exists()
    assert tempfile.gettempdir() == before


def test_archives_of_older_code_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "spark-code"
    folder.mkdir()
    for number in range(6):
        (folder / f"fraud_platform-{number}.zip").touch()
        os.utime(folder / f"fraud_platform-{number}.zip", (number, number))
    assert len(list(clear_leftovers(tmp_path))) == 3
    assert sorted(path.name[15:16] for path in folder.iterdir()) == ["3", "4", "5"]
