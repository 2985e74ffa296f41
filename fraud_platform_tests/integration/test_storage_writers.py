"""Two writers on one table on S3 at once: one waits or is refused, and no commit is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.clock_tables import FEATURE_DAYS
from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
from fraud_platform.contracts.scoring_tables import SCORED
from fraud_platform_tests.storage_servers import S3Server

ROUNDS = 50
WRITER = """
import json, sys
from datetime import UTC, date, datetime, timedelta
import pyarrow as pa
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.clock_tables import FEATURE_DAYS
from fraud_platform.contracts.scoring_tables import SCORED
from fraud_platform.errors import Outage

lake, me = Lake(sys.argv[1]), int(sys.argv[2])
log = lake.numbered(SCORED, "scoring")

def replace(day):
    row = {"tx_date": day, "inputs": str(me), "run_id": str(me), "built_at": datetime.now(UTC)}
    rows = pa.Table.from_pylist([row], schema=FEATURE_DAYS.arrow_schema)
    refused = 0
    while True:
        try:
            lake.replace_arrow(FEATURE_DAYS, rows, f"tx_date = '{day}'")
            return refused
        except Outage:
            refused += 1

print("ready", flush=True)
for line in sys.stdin:
    round = int(line)
    number, refused = 2 * round + 1, 0
    while not log.append([], number, {"writer": me, "round": round}):
        refused, number = refused + 1, number + 1
    own = date(2018, 1, 1) + timedelta(days=2 * round + me)
    print(json.dumps({"number": number, "refused": refused, "waited": replace(own)}), flush=True)
"""


@pytest.mark.systems
def test_of_two_writers_that_start_at_once_none_loses_a_commit(
    s3: S3Server, s3_variables: dict[str, str]
) -> None:
    lake = Lake(f"s3://{s3.make_bucket()}/lake")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, lake.url, str(me)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for me in (0, 1)
    ]  # fmt: skip
    try:
        # neither table is there yet: both writers create them at once
        assert [_line(writer) for writer in writers] == ["ready"] * 2
        said = []
        for number in range(ROUNDS):
            for writer in writers:
                writer.stdin.write(f"{number}\n")
                writer.stdin.flush()
            said.append([json.loads(_line(writer)) for writer in writers])
    finally:
        for writer in writers:
            writer.stdin.close()
            writer.wait(30)
    for number, both in enumerate(said):
        assert sorted(one["number"] for one in both) == [2 * number + 1, 2 * number + 2]
        assert sum(one["refused"] for one in both) == 1
    commits = list(lake.numbered(SCORED, "scoring").commits())
    assert sorted(commit["number"] for commit in commits) == list(range(1, 2 * ROUNDS + 1))
    assert {(c["writer"], c["round"]) for c in commits} == {
        (me, number) for me in (0, 1) for number in range(ROUNDS)
    }
    days = lake.read_arrow(FEATURE_DAYS).to_pylist()
    assert len({row["tx_date"] for row in days}) == len(days) == 2 * ROUNDS
    assert lake.version(FEATURE_DAYS) == 2 * ROUNDS
    waited = sum(one["waited"] for both in said for one in both)
    print(f"{ROUNDS} rounds: {ROUNDS} numbers refused, {waited} replacements tried again, 0 lost")


def _line(writer: subprocess.Popen[str]) -> str:
    return writer.stdout.readline().strip()


@pytest.mark.systems
def test_variables_that_make_commits_unsafe_are_refused(
    s3: S3Server, s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraud_platform.errors import SettingsError

    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    with pytest.raises(SettingsError, match="one commit is lost"):
        Lake(f"s3://{s3.make_bucket()}/lake").ensure(PROMOTION_HISTORY)


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
