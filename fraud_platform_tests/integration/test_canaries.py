"""No secret is in anything that the platform wrote, showed or started: canaries are sought."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.models.server import Login
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.testing.canaries import (
    CommandLines,
    Place,
    databases,
    files,
    found,
    make_canaries,
)
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.postgres import running_postgres
from fraud_platform_tests.testing.worlds.scoring import train_small
from fraud_platform_tests.testing.worlds.server import RUNS, Server, is_whole

pytestmark = [pytest.mark.systems, pytest.mark.slow]
STORAGE = "FRAUD_DAGSTER_STORAGE_PASSWORD"
SHOWN = """{ instance { info } allTopLevelResourceDetailsOrError(repositorySelector:
  {repositoryLocationName: "fraud_platform", repositoryName: "__repository__"}) {
  ... on ResourceDetailsList { results { name configuredValues { key value type }
    configFields { name defaultValueAsJson } } } } }"""
EVENTS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { runConfigYaml
  tags { key value } eventConnection { events { __typename ... on MessageEvent { message }
  ... on StepEvent { stepKey } ... on ErrorEvent { error { message stack } } } } } } }"""


@pytest.fixture
def canaries() -> dict[str, str]:
    """A canary for every secret; one user of Postgres owns both databases, so those share one."""
    made = make_canaries()
    return {**made, "FRAUD_MLFLOW_STORAGE_PASSWORD": made[STORAGE]}


@pytest.fixture
def server(tmp_path: Path, canaries: dict[str, str]) -> Iterator[Server]:
    """A server whose every secret is a canary; those of the databases come from files."""
    with running_postgres(canaries[STORAGE]) as postgres:
        given = {k: v for k, v in canaries.items() if not k.endswith("_STORAGE_PASSWORD")}
        chosen = {
            "FRAUD_MLFLOW_USERNAME": "somebody",
            "FRAUD_SPARK_URL": "local[1]",
            "FRAUD_SPARK_MEMORY": "1g",
            "FRAUD_KAFKA_PARTITIONS": "2",
            # without it, the embedded broker on the same port, to which a user is nothing
            "FRAUD_KAFKA_BOOTSTRAP": "",
            "FRAUD_DROP_SETTLE_SECONDS": "0",
        }
        server = Server(tmp_path / "server", postgres, {**given, **chosen})
        (server.home / "jars").symlink_to(STATE / "jars")
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.timeout(900)
def test_no_secret_is_in_anything_that_the_platform_wrote_showed_or_started(
    server: Server, canaries: dict[str, str], tmp_path: Path
) -> None:
    with CommandLines() as lines:
        for name in ("mlflow", "kafka", "code-server", "webserver", "daemon"):
            server.start(name)
        server.until(lambda: server.is_up("5000", "/health"), 120, "up: MLflow")
        server.until(lambda: is_whole(server), 180, "whole: definitions and daemons")
        login = Login("somebody", SecretStr(canaries["FRAUD_MLFLOW_PASSWORD"]))
        registry = ModelRegistry(server.url("5000"), login=login)
        registry.register(
            "2018-07-16", train_small(tmp_path / "model"), ("amount",), {}, {}, {}, {}
        )
        registry.set_alias(CHAMPION, 1)
        _score_live(server, _bring_drops(server, tmp_path))
        shown = _await_runs(server)
        _fail_in_several_ways(server)
        server.stop()
    given = server.environment
    assert [n for n in canaries if not {n, f"{n}_FILE"} & set(given)] == []
    places = [*_places(server, lines), ("Dagster UI", shown.encode())]
    assert found(canaries, places) == []
    sizes = sum(len(content) for _, content in places)
    print(f"{len(canaries)} canaries, {len(places)} places, {sizes / 1e6:.1f} MB: 0 found")
    _each_place_is_really_searched(server, canaries)


def _bring_drops(server: Server, scratch: Path) -> Path:
    """Let a drop and a broken one arrive; return the good one."""
    config = SimulationConfig(customers=200, terminals=40, days=3, dirt=DirtRates.none())
    (drop,) = simulate_drops(config, scratch / "drops", None)
    good = next((scratch / "drops").glob("*.txt*"))
    landing = server.home / "landing"
    landing.mkdir(exist_ok=True)
    (landing / good.name).write_bytes(good.read_bytes())
    (landing / "2018-06-01.txt").write_text("no,header,of,a,drop\n1,2,3,4,5\n")
    (landing / "_SUCCESS").touch()
    assert drop is not None
    return good


def _score_live(server: Server, drop: Path) -> None:
    server.start("follow")
    output = server.logs / "follow.log"
    server.until(lambda: "following" in output.read_text(), 90, "following")
    server.call("produce", "--drop", str(drop), "--limit", "200", "--rate", "max")
    lake = Lake(str(server.home / "lake"))
    server.until(lambda: lake.read_arrow(SCORED).num_rows >= 200, 90, "scored")


def _await_runs(server: Server) -> str:
    """Wait until one drop is published and one failed; return all that the UI shows of it."""

    def ended() -> list[dict[str, str]] | None:
        runs = server.ask(RUNS)["runsOrError"]["results"]
        drops = {run["status"] for run in runs if run["jobName"] == "load_drop"}
        return runs if {"SUCCESS", "FAILURE"} <= drops else None

    runs = server.until(ended, 300, "loaded: one drop, and failed: the other")
    events = [server.ask(EVENTS, run=run["runId"]) for run in runs]
    assert "DropHeaderError" in str(events)
    shown = server.ask(SHOWN)
    assert shown["allTopLevelResourceDetailsOrError"]["results"]
    return json.dumps([shown, events])


def _fail_in_several_ways(server: Server) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    url = server.postgres.url("nothing")
    wrong = {"FRAUD_DAGSTER_STORAGE_URL": url, "FRAUD_MLFLOW_STORAGE_URL": url}
    for program in ("daemon", "mlflow"):
        assert "no such user or database" in server.call("serve", program, code=2, **wrong)
    assert "a refused connection" in server.call("reproduce", "1", code=1, FRAUD_MLFLOW_URL=away)
    secured = {"FRAUD_KAFKA_BOOTSTRAP": f"127.0.0.1:{server.ports['9092']}",
               "FRAUD_KAFKA_SECURITY": "sasl_ssl", "FRAUD_KAFKA_USER": "somebody"}  # fmt: skip
    assert "Kafka at 127.0.0.1" in server.call("make-topics", code=1, **secured)
    twice = {STORAGE: "canary-twice"}
    assert "are both set" in server.call("status", code=2, **twice)
    broken = {"FRAUD_DAGSTER_PORT": "many", "FRAUD_SECRET": "x"}
    assert "FRAUD_SECRET is not a setting" in server.call("status", code=2, **broken)
    assert "PromotionError" in server.call("rollback", "--why", "drill", code=1)
    server.call("status")


def _places(server: Server, lines: CommandLines) -> Iterator[Place]:
    yield from files(server.folder, [server.folder / "secrets", STATE])
    yield from databases(server.postgres)
    yield from (("a command line", line) for line in lines.seen)
    yield "Postgres's log", (server.postgres.folder / "log").read_bytes()


def _each_place_is_really_searched(server: Server, canaries: dict[str, str]) -> None:
    """Plant a canary in every kind of place and see that the search finds it there."""
    (name, canary), *_ = canaries.items()
    (server.home / "planted.log").write_text(f"password={canary}\n")
    (server.home / "planted.gz").write_bytes(gzip.compress(canary.encode()))
    rows = pa.table({"x": ["a", canary]})
    pq.write_table(rows, server.home / "planted.parquet", compression="zstd")
    for database in ("dagster", "mlflow"):
        server.postgres.ask("CREATE TABLE planted (t text, b bytea)", database)
        row = f"INSERT INTO planted VALUES ('{canary}', convert_to('{canary}', 'UTF8'))"
        server.postgres.ask(row, database)
    with CommandLines() as lines:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", canary], check=True)
    where = found(canaries, _places(server, lines))
    for place in (
        "planted.log",
        "planted.gz (decompressed)",
        "planted.parquet (rows)",
        "database dagster",
        "database dagster, binary value",
        "database mlflow",
        "a command line",
    ):
        assert any(w.startswith(f"{name} in ") and place in w for w in where), (place, where)
