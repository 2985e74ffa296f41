"""Several writers on one table of a storage at once: no commit is lost, no row counts twice."""

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
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import SCORED, TOPIC_LABELS
from fraud_platform_tests.testing.servers.storage import S3Server
from fraud_platform_tests.testing.worlds.stopped_writers import MERGE_ALL, label_rows

ROUNDS = 50
WRITER = """
import json, sys
from datetime import UTC, date, datetime, timedelta
import pyarrow as pa
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.clock_tables import FEATURE_DAYS
from fraud_platform.tables.scoring import SCORED
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
        metadata = []
        for number in range(ROUNDS):
            for writer in writers:
                _send(writer, f"{number}\n")
            metadata.append([json.loads(_line(writer)) for writer in writers])
    finally:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()
            writer.wait(30)
    for number, both in enumerate(metadata):
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
    waited = sum(one["waited"] for both in metadata for one in both)
    print(f"{ROUNDS} rounds: {ROUNDS} numbers refused, {waited} replacements tried again, 0 lost")


MERGER = f"""
import sys
{MERGE_ALL}
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.tables.scoring import TOPIC_LABELS

lake, merged = Lake(sys.argv[1]), 0
print("ready", flush=True)
for line in sys.stdin:
    merged += len(merging.merge_small_files(lake, TOPIC_LABELS))
    print(merged, flush=True)
"""


@pytest.mark.systems
@pytest.mark.parametrize("storage", ["s3", "hdfs"])
def test_two_that_merge_a_table_at_once_while_a_third_appends_leave_each_row_once(
    storage: str, request: pytest.FixtureRequest
) -> None:
    if storage == "s3":
        request.getfixturevalue("s3_variables")
        url = f"s3://{request.getfixturevalue('s3').make_bucket()}/lake"
    else:
        url = f"{request.getfixturevalue('hdfs').url}/merging"
    lake, rounds = Lake(url), 12
    log = lake.numbered(TOPIC_LABELS, "labels")
    mergers = [
        subprocess.Popen(
            [sys.executable, "-c", MERGER, lake.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        assert [_line(merger) for merger in mergers] == ["ready"] * 2
        for number in range(1, rounds + 1):
            for merger in mergers:
                _send(merger, "go\n")
            rows = label_rows(number)
            assert log.append(write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, rows),
                              number)  # fmt: skip
            merged = [int(_line(merger)) for merger in mergers]
    finally:
        for merger in mergers:
            assert merger.stdin is not None
            merger.stdin.close()
            merger.wait(30)
    found = lake.read_arrow(TOPIC_LABELS)["transaction_id"].to_pylist()
    assert sorted(found) == sorted(100 * n + i for n in range(1, rounds + 1) for i in range(5))
    assert sum(merged) >= rounds
    # every file that was written is in the table, or was replaced, or was removed
    assert lake.data_files(TOPIC_LABELS).num_rows <= 4


def _send(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


def _line(writer: subprocess.Popen[str]) -> str:
    assert writer.stdout is not None
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
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
