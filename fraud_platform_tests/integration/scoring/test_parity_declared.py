"""Live equals batch on a declared source, in a process of its own that works on it.

Its keys are texts, its facts are a category and numbers, some messages are bad, some rows late.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform_tests.testing.programs import declared_parity
from fraud_platform_tests.testing.worlds.declared import PAYMENTS_FILE

pytestmark = pytest.mark.slow


def _run(folder: Path, kafka: KafkaConnection, engine: str, late: float) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", declared_parity.__name__),
            *(str(folder), kafka.bootstrap, engine, str(late)),
        ],
        env={**os.environ, "FRAUD_DATA_SET": str(PAYMENTS_FILE)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.mark.parametrize("engine", ["inprocess", "spark"])
@pytest.mark.parametrize("late", [0.0, 0.01])
def test_scored_rows_of_a_declared_source_equal_the_batch(
    engine: str, late: float, kafka: KafkaConnection, tmp_path: Path
) -> None:
    found = _run(tmp_path, kafka, engine, late)
    assert found["rows"] == 1_800
    assert found["plans"] >= 2
    assert found["untouched"] == []
    if late:
        assert 0 < found["late"] <= found["touched"] < 1_500
    else:
        assert (found["late"], found["differing"]) == (0, {})
    assert found["dead"] == found["sent"]
    assert len(found["dead"]) > 5
    assert found["duplicates"] == found["sent_twice"] > 0
    assert found["keys"]
    assert found["exceptions"] == [[3], [4]]
    assert found["published"]
    # every feature that the stream could get wrong has more than one value
    assert min(found["distinct"].values()) > 3
