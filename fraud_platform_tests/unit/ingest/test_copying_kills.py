"""A copy that is killed: what it left is built upon, and ends equal to an undisturbed one."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.errors import DataError
from fraud_platform.ingest import copy_drop, raw_drop
from fraud_platform_tests.testing.worlds.copying import CONTENT, DROP, SHA256, MeddledZone, names

pytestmark = pytest.mark.usefixtures("small_chunks")


COPY = """
import sys
from fraud_platform.adapters.storage import local_zone
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.ingest import copy_drop
local_zone.CHUNK_BYTES = 1_000
raw = copy_drop(open_zone(sys.argv[1]), open_zone(sys.argv[2]), sys.argv[3],
                checkpoint_bytes=5_000)
print(raw.sha256, raw.resumed_from)
"""


def copy_in_a_process(
    landing: LocalZone, raw: LocalZone, kill_at: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COPY, landing.url, raw.url, DROP]
    environment = {**os.environ, "FRAUD_KILL_AT": kill_at}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("has_older_copy", [False, True])
@pytest.mark.parametrize("point", ["mid_copy", "before_rename", "before_manifest"])
def test_a_copy_killed_at_any_point_ends_equal_to_an_undisturbed_one(
    landing: LocalZone, raw: LocalZone, point: str, has_older_copy: bool
) -> None:
    if has_older_copy:
        (landing.folder / DROP).write_bytes(b"older")
        copy_drop(landing, raw, DROP)
        (landing.folder / DROP).write_bytes(CONTENT)
    killed = copy_in_a_process(landing, raw, f"ingest.{point}")
    assert killed.returncode == -signal.SIGKILL
    is_older_kept = has_older_copy and point != "before_manifest"
    assert _described(raw) == ([b"older"] if is_older_kept else [])
    again = copy_in_a_process(landing, raw)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[0] == SHA256
    assert (raw.folder / DROP).read_bytes() == CONTENT
    assert names(raw) == [DROP, f"{DROP}.json"]


def _described(raw: LocalZone) -> list[bytes]:
    """Return the bytes of the raw copy that a manifest vouches for, if there is one."""
    try:
        found = raw_drop(raw, "2018-04-01")
    except DataError:
        return []
    content = Path(found.url).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found.sha256
    return [content]


def test_a_copy_killed_after_checkpoints_repeats_only_what_came_after(
    landing: LocalZone, raw: LocalZone
) -> None:
    broken = MeddledZone(landing.folder, 12, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if os.fork() == 0:
        copy_drop(broken, raw, DROP, checkpoint_bytes=5_000)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == -signal.SIGKILL
    copied = copy_drop(landing, raw, DROP)
    assert copied.resumed_from == 10_000
    assert (raw.folder / DROP).read_bytes() == CONTENT
