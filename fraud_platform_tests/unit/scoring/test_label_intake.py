"""Every label message is a label or a dead letter; none stops the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.messages import Messages
from fraud_platform.errors import TopicChangedError
from fraud_platform.scoring.label_intake import Landings, split_labels
from fraud_platform.scoring.messages.labels import Label, read_label
from fraud_platform.scoring.plans import TopicNow
from fraud_platform.tables.scoring import TOPIC_LABELS

GOOD = (
    b'{"transaction_id": 17, "is_fraud": true, "fraud_scenario": 1, '
    b'"known_at": "2018-08-06 00:00:41"}'
)
KNOWN_AT = datetime(2018, 8, 6, 0, 0, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD, Label(17, True, 1, KNOWN_AT)),
        (GOOD.replace(b" ", b"").replace(b"06", b"06 "), Label(17, True, 1, KNOWN_AT)),
        (GOOD.replace(b"true", b"false").replace(b": 1,", b": 0,"), Label(17, False, 0, KNOWN_AT)),
        (GOOD.replace(b"17", b"9" * 18), Label(10**18 - 1, True, 1, KNOWN_AT)),
        (GOOD[:-1] + b', "why": {"chargeback": [1.5]}}', Label(17, True, 1, KNOWN_AT)),
        (
            GOOD.replace(b"06 00:00:41", b"05 24:00:00"),
            Label(17, True, 1, KNOWN_AT.replace(second=0)),
        ),
    ],
)
def test_a_valid_label_message_is_its_label(value: bytes, expected: Label) -> None:
    assert read_label(value) == expected


BAD = [
    None,
    b"",
    b"\xff",
    b"[]",
    b"[" * 100_000,
    GOOD[:-1],
    GOOD.replace(b"17", b"-1"),
    GOOD.replace(b"17", b"17.0"),
    GOOD.replace(b"17", b'"17"'),
    GOOD.replace(b"17", b"9" * 19),
    GOOD.replace(b"17", b"9" * 5_000),
    GOOD.replace(b"true", b"1"),
    GOOD.replace(b"true", b"false"),
    GOOD.replace(b": 1,", b": 4,"),
    GOOD.replace(b": 1,", b": true,"),
    GOOD.replace(b": 1,", b": 1e0,"),
    GOOD[:-1] + b', "is_fraud": false}',
    GOOD[:-1] + b', "score": NaN}',
    GOOD.replace(b"41", b"61"),
    GOOD.replace(b"-08-06 00:00", b"-8-6 0:0"),
    GOOD.replace(b"06 00", b"06  00"),
    GOOD.replace(b"06 00", b"06T00"),
    GOOD.replace(b"06 00", b"31 24").replace(b"08", b"02"),
    GOOD.replace(b"2018", "\u0662\u0660\u0661\u0668".encode()),
    GOOD.replace(b"2018", b"1999"),
    GOOD.replace(b"2018", b"9999"),
    GOOD.replace(b'41"', b'41\\ud800"'),
    GOOD.replace(b'"2018-08-06 00:00:41"', b"1533513641"),
]


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_label_is_said_to_be_none(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_label(value)


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from([GOOD, *BAD]), st.binary(max_size=30)), max_size=8))
@example([GOOD, *BAD, GOOD])
def test_every_message_is_kept_once_as_a_label_or_as_it_came(values: list[bytes | None]) -> None:
    size = len(values)
    offsets = np.arange(size)
    keys: list[bytes | None] = [b"17"] * size
    messages = Messages(np.zeros(size, np.int32), offsets, offsets, keys, values)
    good, dead = split_labels(messages, 1, None)
    places = good["source_offset"].to_pylist() + dead["source_offset"].to_pylist()
    assert sorted(places) == offsets.tolist()
    assert {values[i] for i in good["source_offset"].to_pylist()} <= {GOOD}
    assert dead["message_value"].to_pylist() == [
        values[i] for i in dead["source_offset"].to_pylist()
    ]


class _Source:
    """A labels topic of one partition that has the good label again and again."""

    def go_to(self, starts: Mapping[int, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        (start, end) = ranges[0]
        count = end - start
        offsets = np.arange(start, end)
        yield Messages(np.zeros(count, np.int32), offsets, offsets, [None] * count, [GOOD] * count)


def _now(end: int, topic_id: str = "a") -> TopicNow:
    return TopicNow("labels", topic_id, {0: (0, end)})


def _landed(lake: Lake) -> list[int]:
    return sorted(lake.read_arrow(TOPIC_LABELS)["source_offset"].to_pylist())


def test_what_others_land_while_the_broker_is_asked_is_no_message_lost(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    one, other = Landings(lake), Landings(lake)
    assert one.land(_Source(), lambda: _now(3), None) == {"labels": 3, "dead_labels": 0}
    asked = 0

    def after_the_other() -> TopicNow:
        nonlocal asked
        asked += 1
        if asked == 1:
            other.land(_Source(), lambda: _now(5), None)
        return _now(5)

    assert one.land(_Source(), after_the_other, None) == {"labels": 0, "dead_labels": 0}
    assert one.land(_Source(), lambda: _now(6), None) == {"labels": 1, "dead_labels": 0}
    assert _landed(lake) == [0, 1, 2, 3, 4, 5]


def test_labels_of_a_topic_made_anew_while_it_was_read_do_not_land(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    Landings(lake).land(_Source(), lambda: _now(3), None)
    answers = [_now(5), _now(9, "b")]
    with pytest.raises(TopicChangedError, match="recreated"):
        Landings(lake).land(_Source(), lambda: answers.pop(0), None)
    assert _landed(lake) == [0, 1, 2]
