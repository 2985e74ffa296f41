"""Killing a publication at every named point, over a warm Spark Connect server.

The client is a process of its own that ends by SIGKILL; another one runs the same drop again, and
all four tables must equal those of a lake that nothing happened to.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.services.processes import HOST
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles.lake_tables import assert_equals_oracle, everything, ledger
from fraud_platform_tests.oracles.nasty_lines import HEADER
from fraud_platform_tests.testing.ports import free_port, is_listening

POINTS = [
    "cleaning.before_quarantine",
    "cleaning.after_quarantine",
    "cleaning.after_transactions",
    "cleaning.after_labels",
    "cleaning.before_ledger",
    "cleaning.after_ledger",
]
A, B = "2019-08-22", "2019-09-21"


def text(*rows: tuple[int, int]) -> bytes:
    lines = [b"%d,2019-09-01 10:00:00,1,2,5.00,0,0,%d,%d" % (key, s > 0, s) for key, s in rows]
    return b"\n".join([HEADER, *lines, b"not a row", b""])


BEFORE = {
    A: text((1, 0), (2, 0), (3, 0)),
    B: text((2, 0), (4, 0), (5, 1)),
}
REPLACED = text((1, 3), (3, 0), (4, 0), (6, 1))
"""Gives 2 back to B, takes 4 from B, and corrects the label of 1."""


@pytest.fixture(scope="module")
def connect_url(spark: SparkSession) -> Iterator[str]:
    """A Spark Connect server in the JVM that the other tests of this process use.

    Its clients are processes, so their sessions, queries and deaths are those of any server.
    """
    port = free_port()
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    conf = jvm.org.apache.spark.SparkEnv.get().conf()
    conf.set("spark.connect.grpc.binding.address", HOST)
    conf.set("spark.connect.grpc.binding.port", str(port))
    service = jvm.org.apache.spark.sql.connect.service.SparkConnectService
    service.start(spark.sparkContext._jsc.sc())
    assert is_listening(port)
    yield f"sc://{HOST}:{port}"
    nothing = jvm.scala.Option.empty()
    service.stop(nothing, nothing)


def start_client(
    url: str, jobs: list[tuple[Path, str, Path]], kill_at: str = ""
) -> subprocess.Popen[bytes]:
    """Publish drops one after the other in a new process."""
    command = [sys.executable, "-m", "fraud_platform_tests.testing.programs.cleaning", url]
    command.append(json.dumps([[str(lake), drop, str(raw)] for lake, drop, raw in jobs]))
    return subprocess.Popen(command, env=os.environ | {"FRAUD_KILL_AT": kill_at})


def run_client(url: str, jobs: list[tuple[Path, str, Path]], kill_at: str = "") -> int:
    """Publish drops in a new process and return its exit code."""
    return start_client(url, jobs, kill_at).wait()


def write_raw(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    folder.mkdir()
    paths = {drop: folder / f"{drop}.txt" for drop in contents}
    for drop, path in paths.items():
        path.write_bytes(contents[drop])
    return paths


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(["cleaning.after_transactions", "cleaning.after_ledger"], id="two points"),
        pytest.param(POINTS, id="all points", marks=pytest.mark.slow),
    ],
)
def test_a_killed_publication_run_again_gives_the_tables_of_an_undisturbed_one(
    connect_url: str, tmp_path: Path, points: list[str]
) -> None:
    raw = write_raw(tmp_path / "raw", BEFORE)
    base = tmp_path / "base"
    assert run_client(connect_url, [(base, drop, raw[drop]) for drop in BEFORE]) == 0
    assert_equals_oracle(Lake(str(base)), oracle.clean_drops(BEFORE))
    lakes = {point: tmp_path / point for point in ["undisturbed", *points]}
    for lake in lakes.values():
        shutil.copytree(base, lake)
    raw[A].write_bytes(REPLACED)
    before = ledger(Lake(str(base)))
    clients = [start_client(connect_url, [(lakes[point], A, raw[A])], point) for point in points]
    assert {client.wait() for client in clients} == {-signal.SIGKILL}
    for point in points:
        is_marked = ledger(Lake(str(lakes[point]))) != before
        assert is_marked == (point == "cleaning.after_ledger")
    assert run_client(connect_url, [(lake, A, raw[A]) for lake in lakes.values()]) == 0
    undisturbed = everything(Lake(str(lakes["undisturbed"])))
    assert_equals_oracle(
        Lake(str(lakes["undisturbed"])), oracle.clean_drops(BEFORE | {A: REPLACED})
    )
    for point in points:
        assert everything(Lake(str(lakes[point]))) == undisturbed, point


@pytest.mark.slow
def test_what_a_killed_publication_left_is_settled_by_the_next_drop_that_meets_it(
    connect_url: str, tmp_path: Path
) -> None:
    """A dies after `transactions`; before it comes again, B is replaced and published."""
    raw = write_raw(tmp_path / "raw", BEFORE)
    first, second = tmp_path / "first", tmp_path / "second"
    assert run_client(connect_url, [(first, drop, raw[drop]) for drop in BEFORE]) == 0
    shutil.copytree(first, second)
    raw[A].write_bytes(REPLACED)
    killed = run_client(connect_url, [(first, A, raw[A])], "cleaning.after_transactions")
    assert killed == -signal.SIGKILL
    replaced_b = text((2, 0), (4, 2), (7, 0), (6, 1))
    raw[B].write_bytes(replaced_b)
    assert run_client(connect_url, [(first, B, raw[B]), (first, A, raw[A])]) == 0
    assert run_client(connect_url, [(second, B, raw[B]), (second, A, raw[A])]) == 0
    expected = oracle.clean_drops({A: REPLACED, B: replaced_b})
    assert_equals_oracle(Lake(str(first)), expected)
    assert_equals_oracle(Lake(str(second)), expected)
