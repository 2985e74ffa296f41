"""Labels with a wrong known_at: refused by name, and what landed before keeps no correction out."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from fraud_platform.contracts.messages import Messages
from fraud_platform.labels.rule import NEVER_LANDED
from fraud_platform.scoring.label_intake import split_labels
from fraud_platform.scoring.state.recovery import landed_of
from fraud_platform.tables.scoring import TOPIC_LABELS

DAY = 86_400
NOW = int(time.time())
STREAM = 1_533_081_600


def messages(known: list[int], arrival: int = NOW) -> Messages:
    size = len(known)
    values: list[bytes | None] = [
        json.dumps(
            {
                "transaction_id": i,
                "is_fraud": True,
                "fraud_scenario": 1,
                "known_at": f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}",
            }
        ).encode()
        for i, second in enumerate(known)
    ]
    keys: list[bytes | None] = [b"1"] * size
    stamps = np.full(size, arrival * 1000)
    return Messages(np.zeros(size, np.int32), np.arange(size), stamps, keys, values)


@pytest.mark.parametrize("stream_second", [None, STREAM, NOW], ids=["none", "replay", "live"])
@pytest.mark.parametrize("ahead", [9 * DAY, 400 * DAY, 40 * 365 * DAY])
def test_a_label_that_cannot_be_known_yet_is_refused_by_name(
    ahead: int, stream_second: int | None
) -> None:
    known = [NOW - 60 * i for i in range(40)]
    known[7] = NOW + ahead
    good, dead = split_labels(messages(known), 1, stream_second)
    assert good["transaction_id"].to_pylist() == [i for i in range(40) if i != 7]
    (detail,) = dead["detail"].to_pylist()
    assert "8 days ahead of arrival and of stream time" in detail


def test_a_label_within_its_delay_and_a_replay_of_whatever_year_land() -> None:
    for known in (
        [NOW + 7 * DAY] * 3,
        [STREAM + i * DAY for i in range(2_000)],
        [NOW + 300 * DAY + i * 3_600 for i in range(500)],  # simulated months ahead
    ):
        good, dead = split_labels(messages(known), 1, STREAM)
        assert good.num_rows == len(known)
        assert dead.num_rows == 0


def test_a_lone_label_far_ahead_is_refused_once_there_is_a_stream() -> None:
    good, dead = split_labels(messages([NOW + 40 * 365 * DAY]), 1, STREAM)
    assert (good.num_rows, dead.num_rows) == (0, 1)


@pytest.mark.parametrize("stream_second", [NEVER_LANDED, STREAM])
def test_a_label_of_decades_ahead_that_landed_before_keeps_no_correction_out(
    stream_second: int,
) -> None:
    known = [STREAM + i * DAY for i in range(1_200)]
    known[5] = STREAM + 63 * 365 * DAY
    landed_at = None if stream_second == NEVER_LANDED else datetime.fromtimestamp(STREAM, UTC)
    rows = [
        {
            "transaction_id": i,
            "is_fraud": True,
            "fraud_scenario": 1,
            "known_at": datetime.fromtimestamp(second, UTC),
            "source": "topic",
            "landed_at": landed_at,
            "landing": 1,
            "source_partition": 0,
            "source_offset": i,
        }
        for i, second in enumerate(known)
    ]
    labels = landed_of(pa.Table.from_pylist(rows, schema=TOPIC_LABELS.arrow_schema), [])
    assert labels.transaction_id.tolist() == [i for i in range(1_200) if i != 5]
