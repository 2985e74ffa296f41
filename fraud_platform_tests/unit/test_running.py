"""How tests run: which worker takes which file, where temporary folders are."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.broker_settings import Node
from fraud_platform.adapters.services.processes import Service, read_records
from fraud_platform.errors import ServiceError
from fraud_platform_tests.testing import shared_broker, temporary
from fraud_platform_tests.testing.schedule import FileScheduling, rank, uses_spark
from fraud_platform_tests.testing.shared import copy_of, open_shared_folder

SPARK = ("integration/test_a_spark.py", "unit/test_b_spark.py", "integration/test_c_spark.py")
OTHER = ("integration/test_kafka.py", "unit/test_lines.py", "orchestration/test_pages.py")


@dataclass
class Gateway:
    id: str


@dataclass(eq=False)
class WorkerNode:
    gateway: Gateway
    sent: list[int] = field(default_factory=list)

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices


def assigned(folder: Path, worker: str) -> list[str]:
    """Return the files in the order in which a worker takes them if no other takes any."""
    for file in (*SPARK, *OTHER):
        (folder / file).parent.mkdir(exist_ok=True)
        fixture = "spark" if file in SPARK else "lake"
        (folder / file).write_text(f"def test_it({fixture}):\n    pass\n")
    config: Any = type("Config", (), {"rootpath": folder})()
    scheduler = FileScheduling.__new__(FileScheduling)
    scheduler.config, scheduler._spark = config, {}
    tests = [f"{file}::test_it" for file in sorted((*SPARK, *OTHER))]
    scheduler.workqueue = OrderedDict((t.split("::")[0], {t: False}) for t in tests)
    node: Any = WorkerNode(Gateway(worker))
    scheduler.assigned_work, scheduler.registered_collections = {}, {node: tests}
    while scheduler.workqueue:
        scheduler._assign_work_unit(node)
    return [tests[place].split("::")[0] for place in node.sent]


def test_the_first_worker_takes_files_that_use_spark_and_the_quick_ones_last(
    tmp_path: Path,
) -> None:
    taken = assigned(tmp_path, "gw0")
    assert taken[:3] == [SPARK[0], SPARK[2], SPARK[1]]
    assert taken[3:] == [OTHER[0], OTHER[2], OTHER[1]]


def test_another_worker_takes_files_that_use_spark_last_and_leaves_none(tmp_path: Path) -> None:
    taken = assigned(tmp_path, "gw1")
    assert taken[:3] == [OTHER[0], OTHER[2], OTHER[1]]
    assert set(taken[3:]) == set(SPARK)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_it(spark):\n    pass\n", True),
        ("def test_it(\n    publish: Publish, tmp_path: Path\n) -> None:\n    pass\n", True),
        ("@pytest.fixture\ndef world(lake: Lake, spark: Any) -> World:\n    pass\n", True),
        ("def session(request):\n    return request.getfixturevalue('spark')\n", True),
        ("def test_spark(lake: Lake):\n    spark = 1\n", False),
        ("def test_it(no_spark, sparkle):\n    pass\n", False),
    ],
)
def test_a_file_uses_spark_if_one_of_its_functions_takes_it(source: str, expected: bool) -> None:
    assert uses_spark(source) is expected


def test_files_of_real_systems_come_before_quick_ones() -> None:
    files = ["unit/test_a.py", "x/orchestration/test_b.py", "x/integration/kafka/test_c.py"]
    assert sorted(files, key=rank) == files[::-1]


def test_temporary_folders_are_in_memory_if_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "NEEDED_BYTES", 1)
    environment: dict[str, str] = {}
    temporary.use_memory(environment, tmp_path)
    assert environment == {"PYTEST_DEBUG_TEMPROOT": str(tmp_path)}


@pytest.mark.parametrize("name", ["PYTEST_DEBUG_TEMPROOT", "TMPDIR"])
def test_a_root_that_a_person_chose_is_kept(name: str, tmp_path: Path) -> None:
    environment = {name: "/elsewhere"}
    temporary.use_memory(environment, tmp_path)
    assert environment == {name: "/elsewhere"}


def test_little_memory_or_none_leaves_temporary_folders_on_disk(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    temporary.use_memory(environment, tmp_path / "absent")
    assert not temporary.has_room(tmp_path, 1 << 60)
    assert environment == {}


def test_what_tests_share_is_built_once_and_each_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        folder.mkdir()
        (folder / "file").write_text("as built")

    monkeypatch.setenv("TESTS_SHARED_FOLDER", str(tmp_path))
    copies = [copy_of("thing", build, tmp_path / "copies" / name) for name in ("a", "b")]
    assert len(built) == 1
    (copies[0] / "file").write_text("changed")
    assert (copies[1] / "file").read_text() == "as built"
    assert (copy_of("thing", build, tmp_path / "c") / "file").read_text() == "as built"


def test_a_build_that_failed_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_SHARED_FOLDER", str(tmp_path))

    def fails(folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        copy_of("thing", fails, tmp_path / "copy")
    copy = copy_of("thing", lambda folder: folder.mkdir(), tmp_path / "copy")
    assert list(copy.iterdir()) == []


def test_one_process_of_a_run_creates_the_shared_folder(tmp_path: Path) -> None:
    environment = {"PYTEST_DEBUG_TEMPROOT": str(tmp_path)}
    created = open_shared_folder(environment)
    assert created is not None
    assert created.parent == tmp_path
    assert open_shared_folder(environment) is None


def test_all_workers_get_one_broker_which_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def stand_in(jars: Path, node: Node) -> Service:
        started.append(node.port)
        listen = f"import socket as s; s.create_server(('127.0.0.1', {node.port})).accept()"
        command = (sys.executable, "-S", "-c", listen)
        return Service("kafka", command, node.port, is_ready=lambda: True)

    monkeypatch.setenv("TESTS_SHARED_FOLDER", str(tmp_path))
    monkeypatch.setattr(broker, "service_of", stand_in)
    found = [shared_broker.shared_broker(tmp_path / "jars").bootstrap for _ in range(2)]
    assert found == [f"127.0.0.1:{port}" for port in started * 2]
    run = tmp_path / "broker" / "run"
    assert len(read_records(run)) == 1
    shared_broker.end_shared_broker(tmp_path)
    assert read_records(run) == []


def test_a_broker_that_does_not_start_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(jars: Path, node: Node) -> Service:
        return Service("kafka", (sys.executable, "-S", "-c", "raise SystemExit(3)"), node.port)

    monkeypatch.setenv("TESTS_SHARED_FOLDER", str(tmp_path))
    monkeypatch.setattr(broker, "service_of", ends)
    for _ in range(2):
        with pytest.raises(ServiceError, match="ended with code 3"):
            shared_broker.shared_broker(tmp_path / "jars")
