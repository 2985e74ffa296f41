"""Storage that refuses, is full or away: one clear line with a remedy, within 20 seconds."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from fraud_platform.adapters.storage import probing
from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.clock_tables import FEATURE_DAYS
from fraud_platform.contracts.zones import CHUNK_BYTES
from fraud_platform.errors import FraudPlatformError, Outage, SettingsError
from fraud_platform.ingest import copy_drop
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.storage import HdfsCluster, S3Server, hdfs_cluster

LIMIT_SECONDS = 20.0


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Let every test ask the storage itself."""
    probing.forget()


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


def said_within_limit(kind: type[FraudPlatformError], attempt: Callable[[], object]) -> str:
    """Return what an attempt says when it fails as it should, and print how long that took."""
    start = time.monotonic()
    with pytest.raises(kind) as failure:
        attempt()
    seconds = time.monotonic() - start
    words = str(failure.value)
    print(f"said in {seconds:.1f} s: {words}")
    assert seconds < LIMIT_SECONDS
    assert "\n" not in words
    return words


def lake_and_zone(url: str) -> list[Callable[[], object]]:
    """Return the ways in which the platform meets a storage first."""
    return [lambda: Lake(url).ensure(FEATURE_DAYS), lambda: open_zone(url).list_files()]


@pytest.mark.systems
@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("AWS_SECRET_ACCESS_KEY", "the secret is wrong. Set AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "the key is unknown. Set AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_wrong_key_or_secret_is_named(
    s3: S3Server, s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    variable: str, words: str,
) -> None:  # fmt: skip
    url = f"s3://{s3.make_bucket()}/lake"
    monkeypatch.setenv(variable, "not-the-right-one")
    for attempt in lake_and_zone(url):
        output = said_within_limit(SettingsError, attempt)
        assert words in output
        assert s3.secret not in output
        assert "not-the-right-one" not in output


@pytest.mark.systems
def test_a_missing_bucket_is_named(s3: S3Server, s3_variables: dict[str, str]) -> None:
    for attempt in lake_and_zone("s3://nobody-made-this/lake"):
        output = said_within_limit(SettingsError, attempt)
        assert "there is no such bucket" in output
        assert "Create the bucket" in output


@pytest.mark.systems
@pytest.mark.parametrize("kind", ["down", "mute"])
@pytest.mark.parametrize("scheme", ["s3", "hdfs"])
def test_a_server_that_is_down_or_never_answers_is_an_outage(
    s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, mute: int, kind: str, scheme: str
) -> None:
    port = mute if kind == "mute" else free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    url = "s3://bucket/lake" if scheme == "s3" else f"hdfs://127.0.0.1:{port}/lake"
    for attempt in lake_and_zone(url):
        assert f"127.0.0.1:{port}" in said_within_limit(Outage, attempt)


@pytest.mark.slow
@pytest.mark.systems
def test_a_server_that_stops_to_answer_in_a_run_is_an_outage(
    s3: S3Server, s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, mute: int
) -> None:
    url = f"s3://{s3.make_bucket()}/lake"
    Lake(url).ensure(FEATURE_DAYS)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mute}")
    said_within_limit(Outage, lambda: Lake(url).open(FEATURE_DAYS))


@pytest.mark.systems
def test_a_full_hdfs_is_an_outage_and_the_next_copy_is_whole(
    hdfs: HdfsCluster, tmp_path: Path
) -> None:
    landing = open_zone(str(tmp_path / "landing"), create=True)
    landing.put("2018-04-01.txt", os.urandom(3 << 20))
    url = f"{hdfs.url}/{tmp_path.name}"
    raw = open_zone(url, create=True)
    hdfs.admin("-setSpaceQuota", "1m", f"/{tmp_path.name}")
    output = said_within_limit(Outage, lambda: copy_drop(landing, raw, "2018-04-01.txt"))
    assert "space" in output
    output = said_within_limit(Outage, lambda: Lake(f"{url}/lake").ensure(FEATURE_DAYS))
    assert "space" in output
    hdfs.admin("-clrSpaceQuota", f"/{tmp_path.name}")
    assert copy_drop(landing, raw, "2018-04-01.txt").size_bytes == 3 << 20


@pytest.mark.slow
@pytest.mark.systems
def test_a_process_that_has_used_hdfs_can_fork(hdfs: HdfsCluster, tmp_path: Path) -> None:
    """As Spark's start does: a client of HDFS that ends in the child would wait for ever."""
    program = """
import subprocess, sys
from fraud_platform.adapters.storage.files import ByteFiles
with ByteFiles().create(sys.argv[1]) as file:
    file.write(b"bytes")
del file
subprocess.run(["true"], preexec_fn=lambda: None, check=True)
"""
    command = [sys.executable, "-c", program, f"{hdfs.url}/{tmp_path.name}/file"]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.systems
def test_a_dead_datanode_loses_nothing_and_both_dead_are_an_outage(tmp_path: Path) -> None:
    landing = open_zone(str(tmp_path / "landing"), create=True)
    for name in ("2018-04-01.txt", "2018-05-01.txt", "2018-05-31.txt"):
        landing.put(name, os.urandom(1 << 20))
    with hdfs_cluster(tmp_path / "cluster") as cluster:
        raw = open_zone(f"{cluster.url}/raw", create=True)
        first = copy_drop(landing, raw, "2018-04-01.txt")
        one, other = cluster.datanodes()
        cluster.admin("-shutdownDatanode", one)
        second = copy_drop(landing, raw, "2018-05-01.txt")
        assert {first.was_held, second.was_held} == {False}
        assert copy_drop(landing, raw, "2018-04-01.txt").was_held
        cluster.admin("-shutdownDatanode", other)
        said_within_limit(Outage, lambda: copy_drop(landing, raw, "2018-05-31.txt"))


@pytest.mark.slow
@pytest.mark.systems
@pytest.mark.parametrize("chunks_before", [0, 1])
def test_a_namenode_that_dies_in_a_copy_is_an_outage(tmp_path: Path, chunks_before: int) -> None:
    """With no chunk written, writing asks the namenode; with one it meets the datanodes' end."""

    class Deadly(LocalZone):
        """A landing in whose middle HDFS dies."""

        def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
            chunks = super().read(name, offset)
            yield from islice(chunks, chunks_before)
            if name == "2018-04-01.txt":
                cluster.process.kill()
                cluster.process.wait()
            yield from chunks

    landing = Deadly(tmp_path / "landing", create=True)
    landing.put("2018-04-01.txt", os.urandom(3 * CHUNK_BYTES))
    with hdfs_cluster(tmp_path / "cluster") as cluster:
        raw = open_zone(f"{cluster.url}/raw", create=True)
        Lake(lake := f"{cluster.url}/lake").ensure(FEATURE_DAYS)
        said_within_limit(Outage, lambda: copy_drop(landing, raw, "2018-04-01.txt"))
        start = time.monotonic()
        gc.collect()
        assert time.monotonic() - start < LIMIT_SECONDS
        said_within_limit(Outage, lambda: Lake(lake).ensure(FEATURE_DAYS))


@pytest.mark.systems
def test_a_read_only_lake_is_an_outage(hdfs: HdfsCluster, tmp_path: Path) -> None:
    """On HDFS it is the namenode that allows no writes: safe mode."""
    url = f"{hdfs.url}/{tmp_path.name}/lake"
    Lake(url).ensure(FEATURE_DAYS)
    hdfs.admin("-safemode", "enter")
    try:
        output = said_within_limit(Outage, lambda: Lake(f"{url}-2").ensure(FEATURE_DAYS))
        assert "safe mode" in output
        assert Lake(url).read_arrow(FEATURE_DAYS).num_rows == 0
    finally:
        hdfs.admin("-safemode", "leave")
    Lake(f"{url}-2").ensure(FEATURE_DAYS)
