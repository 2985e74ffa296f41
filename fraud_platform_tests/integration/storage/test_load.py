"""Drops from S3 to HDFS and to S3: by this program and by DistCp, killed half-way, verified."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.s3_zone import PART_BYTES, S3Zone
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.contracts.zones import sha256_of
from fraud_platform.ingest import copy_drop
from fraud_platform.ingest.manifests import read_raw_manifests
from fraud_platform_tests.testing.servers.storage import HdfsCluster, S3Server

DROP = "2018-04-01.txt"
BLOCKS = 4
DYING = """
import os, signal, sys
from fraud_platform.adapters.storage.s3_zone import PART_BYTES, S3Zone
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.ingest import copy_drop

class Dying(S3Zone):
    def read(self, name, offset=0):
        for chunk in super().read(name, offset):
            offset += len(chunk)
            if offset > 2.6 * PART_BYTES:
                os.kill(os.getpid(), signal.SIGKILL)
            yield chunk

copy_drop(Dying(sys.argv[1]), open_zone(sys.argv[2], create=True), sys.argv[3],
          checkpoint_bytes=PART_BYTES)
"""


class CountedZone(S3Zone):
    """A landing that notes from where to where its drop was read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reads: list[int] = []
        self.bytes_read = 0

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        if name == DROP:
            self.reads.append(offset)
        for chunk in super().read(name, offset):
            self.bytes_read += len(chunk) if name == DROP else 0
            yield chunk


@pytest.fixture
def raw_url(request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path) -> str:
    """Raw zones on S3 and on HDFS."""
    if request.param == "s3":
        return f"s3://{s3.make_bucket()}/raw"
    return f"{request.getfixturevalue('hdfs').url}/{tmp_path.name}/raw"


@pytest.mark.systems
@pytest.mark.parametrize(
    "raw_url", [pytest.param("s3", marks=pytest.mark.slow), "hdfs"], indirect=True
)
def test_a_copy_that_was_killed_half_way_goes_on_without_reading_what_is_done(
    s3: S3Server, s3_variables: dict[str, str], raw_url: str
) -> None:
    content = random.Random(7).randbytes(BLOCKS * PART_BYTES - 1_234)
    landing = CountedZone(f"s3://{s3.make_bucket()}/landing")
    landing.put(DROP, content)
    died = subprocess.run(
        [sys.executable, "-c", DYING, landing.url, raw_url, DROP],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}, check=False, timeout=120,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    raw = open_zone(raw_url)
    assert raw.stat(DROP) is None

    copied = copy_drop(landing, raw, DROP, checkpoint_bytes=PART_BYTES)

    assert copied.resumed_from == 2 * PART_BYTES
    assert landing.reads == [2 * PART_BYTES]
    assert landing.bytes_read == len(content) - 2 * PART_BYTES
    assert copied.sha256 == hashlib.sha256(content).hexdigest() == sha256_of(raw, DROP)
    assert [file.name for file in raw.list_files()] == [DROP, f"{DROP}.json"]


@pytest.mark.systems
@pytest.mark.real_drops
@pytest.mark.parametrize(
    "tool",
    [pytest.param((), id="own", marks=pytest.mark.slow), pytest.param(("--distcp",), id="DistCp")],
)
def test_the_real_drops_go_from_s3_to_hdfs_with_their_checksums(
    s3: S3Server, s3_variables: dict[str, str], hdfs: HdfsCluster, real_drops: Path, tmp_path: Path,
    tool: tuple[str, ...],
) -> None:  # fmt: skip
    landing_url = f"s3://{s3.make_bucket()}/landing"
    raw_url = f"{hdfs.url}/{tmp_path.name}/raw"
    landing = open_zone(landing_url)
    expected = {}
    for path in sorted(real_drops.glob("*.txt*")):
        landing.put(path.name, path.read_bytes())
        expected[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(expected) == 4
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(_jars())
    environment = {
        **os.environ, "FRAUD_HOME": str(home), "FRAUD_LANDING_URL": landing_url,
        "FRAUD_RAW_URL": raw_url,
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("fraud-platform")), "load", *tool]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    raw = open_zone(raw_url)
    assert {m.name: m.sha256 for m in read_raw_manifests(raw).values()} == expected
    assert {name: sha256_of(raw, name) for name in expected} == expected
    for name, sha256 in expected.items():
        assert f"{name} " in done.stdout
        assert sha256 in done.stdout
    if not tool:
        assert "MB/s, 0 s left" in done.stdout


def _jars() -> Path:
    from fraud_platform_tests.testing.home import STATE

    return STATE / "jars"
