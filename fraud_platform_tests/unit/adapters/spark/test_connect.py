"""Spark's URLs before a session: what is refused, with which words, how soon. No JVM."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from fraud_platform.adapters.spark import connect as spark_connect
from fraud_platform.adapters.spark.code import code_archive, code_digest
from fraud_platform.adapters.spark.connect import SessionRecord, connect, release_dead_sessions
from fraud_platform.adapters.spark.faults import explain
from fraud_platform.adapters.spark.session import cluster_conf, driver_host
from fraud_platform.errors import Outage, SettingsError
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port


def test_a_server_that_is_down_is_an_outage_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Outage, match=r"expected a Connect server on sc://localhost:\d+, found"):
        connect(f"sc://localhost:{free_port()}", None, {}, tmp_path)
    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_accepts_and_never_answers_is_an_outage_within_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_connect, "ANSWER_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(Outage, match=r"to answer within 1 s, found"):
            connect(f"sc://localhost:{silent.getsockname()[1]}", None, {}, tmp_path)
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_token_file_that_is_missing_or_empty_is_named(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=str(path)):
        connect("sc://localhost:15002", path, {}, tmp_path)


def test_a_token_goes_into_the_url_for_pyspark_alone_quoted_and_to_localhost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("a;b=c/d\n")
    full = spark_connect._full_url("sc://127.0.0.1:15002/;x=y", path, "session")
    assert full == (
        "sc://localhost:15002/;x=y;user_id=fraud_platform;session_id=session;token=a%3Bb%3Dc%2Fd"
        ";use_ssl=false"
    )


def test_a_token_in_the_url_is_refused_by_the_settings() -> None:
    with pytest.raises(ValueError, match="FRAUD_SPARK_TOKEN_FILE"):
        Settings(spark_url="sc://host:15002/;token=secret")


def test_the_warm_server_and_a_url_elsewhere_are_refused_together() -> None:
    with pytest.raises(ValueError, match="needs a FRAUD_SPARK_URL of local"):
        Settings(spark_server=True, spark_url="sc://elsewhere:15002")
    assert Settings(spark_server=True, spark_server_port=4001).spark == "sc://localhost:4001"
    assert Settings().spark == Settings().spark_url


def test_sessions_of_processes_that_ended_are_forgotten_and_those_of_the_living_kept(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(ended.pid).create_time()
    ended.wait()
    me = psutil.Process()
    url, host = f"sc://localhost:{free_port()}", socket.gethostname()
    records = {
        "dead": SessionRecord("dead", url, ended.pid, started, host),
        "reused": SessionRecord("reused", url, os.getpid(), me.create_time() - 100, host),
        "alive": SessionRecord("alive", url, os.getpid(), me.create_time(), host),
        "elsewhere": SessionRecord("elsewhere", url, ended.pid, started, "another-host"),
    }
    for name, record in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(vars(record)))
    assert release_dead_sessions(tmp_path, None) == ["dead", "reused"]
    assert {path.stem for path in tmp_path.iterdir()} == {"alive", "elsewhere"}


def test_the_archive_of_the_code_imports_without_the_folder_it_came_from(tmp_path: Path) -> None:
    path = code_archive(tmp_path)
    assert code_digest() in path.name
    assert code_archive(tmp_path) == path
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import fraud_platform.features.batch.tasks as t; print(t.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(str(path))
    with zipfile.ZipFile(path) as archive:
        assert "fraud_platform/__init__.py" in archive.namelist()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("local[*]", "127.0.0.1"),
        ("spark://127.0.0.1:7077", "127.0.0.1"),
        ("spark://head:7077", None),
        ("yarn", None),
    ],
)
def test_executors_elsewhere_are_not_told_to_find_the_driver_on_their_own_machine(
    url: str, expected: str | None
) -> None:
    assert driver_host(Settings(), url) == expected
    assert driver_host(Settings(spark_driver_host="10.0.0.1"), url) == "10.0.0.1"


def test_a_cluster_is_asked_for_as_many_cores_as_its_executors_have() -> None:
    conf = cluster_conf(Settings(spark_executors=3, spark_executor_cores=4), "spark://head:7077")
    assert conf["spark.cores.max"] == "12"


def test_errors_of_the_work_itself_stay_what_they_are() -> None:
    from pyspark.errors import AnalysisException, PySparkException

    assert explain(ValueError("Connection refused")) is None
    assert explain(AnalysisException("UNRESOLVED_COLUMN")) is None
    lost = explain(PySparkException("Job aborted: ExecutorLostFailure (executor 2 exited)"))
    assert isinstance(lost, Outage)
    assert "FRAUD_SPARK_EXECUTOR_MEMORY" in str(lost)
    assert isinstance(explain(PySparkException("UNAUTHENTICATED")), SettingsError)
