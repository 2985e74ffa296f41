"""Labels from the topic: from when they count, and the book of versions, against plain loops."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.labels.book import LabelBook, LabelVersions, LandedLabels
from fraud_platform.labels.rule import NEVER_LANDED, counts_from_hour
from fraud_platform.scoring.state.scorer_state import ScoringState
from fraud_platform.stream.scored_ids import NO_LABEL, ScoredRows

HOUR, DAY = 3_600, 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = 1_532_908_800


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def landed(*labels: tuple[int, int, int, int]) -> LandedLabels:
    columns = zip(*labels, strict=True) if labels else ((), (), (), ())
    return LandedLabels(*(np.array(c, dtype=np.int64) for c in columns))


def hour_by_hand(tx: int, known: int, at: int, previous: int | None) -> int:
    """The contract's rule in its own words, with calendar arithmetic."""
    due = EPOCH + timedelta(seconds=tx) + timedelta(days=7)
    on_time = due.replace(minute=0, second=0) + timedelta(hours=1)
    is_late = EPOCH + timedelta(seconds=known) > due
    if at != NEVER_LANDED and EPOCH + timedelta(seconds=at) >= on_time:
        is_late = True
    if previous is None and not is_late:
        return int(on_time.timestamp()) // HOUR
    stream = EPOCH + timedelta(seconds=max(known, at))
    midnight = stream.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    hour = int(max(midnight, on_time).timestamp()) // HOUR
    return hour if previous is None else max(hour, previous)


def one(tx: int, known: int, at: int, previous: int = NO_LABEL) -> datetime:
    hour = counts_from_hour(*(np.array([value]) for value in (tx, known, at, previous)))[0]
    return EPOCH + timedelta(hours=int(hour))


@pytest.mark.parametrize(
    ("known", "at", "previous", "expected"),
    [
        ("2018-08-06 00:00:41", "2018-08-01 00:00:00", None, "2018-08-06 01:00"),
        ("2018-08-06 00:00:41", "2018-08-06 00:59:59", None, "2018-08-06 01:00"),
        ("2018-08-06 00:00:41", "2018-08-06 01:00:00", None, "2018-08-07 00:00"),
        ("2018-08-06 00:00:42", "2018-08-01 00:00:00", None, "2018-08-07 00:00"),
        ("2018-08-02 10:00:00", "2018-08-03 11:00:00", "2018-08-06 01:00", "2018-08-06 01:00"),
        ("2018-08-20 10:00:00", "2018-08-22 11:00:00", "2018-08-06 01:00", "2018-08-23 00:00"),
    ],
)
def test_a_label_counts_from_the_hour_that_the_contract_names(
    known: str, at: str, previous: str | None, expected: str
) -> None:
    tx = moment("2018-07-30 00:00:41")
    before = NO_LABEL if previous is None else moment(previous) // HOUR
    found = one(tx, moment(known), moment(at), before)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_label_that_landed_before_any_score_is_on_time() -> None:
    tx = moment("2018-07-30 00:00:41")
    assert one(tx, tx + 7 * DAY, NEVER_LANDED) == datetime(2018, 8, 6, 1, tzinfo=UTC)


SECONDS = st.integers(FIRST, FIRST + 40 * DAY)


@given(SECONDS, SECONDS, st.one_of(st.just(NEVER_LANDED), SECONDS), st.none() | SECONDS)
def test_counts_from_is_the_rule_in_calendar_arithmetic(
    tx: int, known: int, at: int, previous: int | None
) -> None:
    before = None if previous is None else previous // HOUR
    found = one(tx, known, at, NO_LABEL if before is None else before)
    assert found == EPOCH + timedelta(hours=hour_by_hand(tx, known, at, before))


class PlainBook:
    """The book as a dictionary: what each entity's label tiles must add up to."""

    def __init__(self) -> None:
        self.second: dict[int, int] = {}
        self.waiting: list[tuple[int, int, int, int]] = []
        self.present: dict[int, tuple[int, int, int]] = {}
        self.sums: Counter[tuple[int, int, int, int]] = Counter()

    def land(self, label: tuple[int, int, int, int]) -> None:
        key, scenario, known, at = label
        if key not in self.second:
            self.waiting.append(label)
            return
        tx = self.second[key]
        if key in self.present:
            old, hour, last_known = self.present[key]
            if known < last_known:
                return
            if scenario == old:
                self.present[key] = (old, hour, known)
                return
            now = hour_by_hand(tx, known, at, hour)
            self.sums[key, tx // HOUR, now, old] -= 1
        else:
            now = hour_by_hand(tx, known, at, None)
        self.sums[key, tx // HOUR, now, scenario] += 1
        self.present[key] = (scenario, now, known)

    def score(self, key: int, second: int) -> None:
        self.second[key] = second
        due = [label for label in self.waiting if label[0] == key]
        self.waiting = [label for label in self.waiting if label[0] != key]
        for label in due:
            self.land(label)


def added(sums: Counter[tuple[int, int, int, int]], versions: list[LabelVersions]) -> None:
    for version in versions:
        labels = version.labels
        assert (version.terminal_id == version.customer_id + 1).all()
        assert (labels.amount_cents == version.customer_id + 2).all()
        for customer, event, hour, scenario, sign in zip(
            version.customer_id.tolist(),
            labels.event_hour.tolist(),
            labels.counts_from_hour.tolist(),
            labels.scenario.tolist(),
            labels.sign.tolist(),
            strict=True,
        ):
            sums[customer, event, hour, scenario] += sign


KEYS = st.integers(0, 5)
LABELS = st.lists(
    st.tuples(KEYS, st.integers(0, 3), SECONDS, st.one_of(st.just(NEVER_LANDED), SECONDS)),
    max_size=6,
)
STEPS = st.lists(st.one_of(LABELS, st.sets(KEYS, max_size=3)), max_size=8)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.dictionaries(KEYS, SECONDS))
def test_the_book_adds_and_takes_back_what_a_plain_dictionary_does(
    steps: list[list[tuple[int, int, int, int]] | set[int]], moments: dict[int, int]
) -> None:
    rows, plain = ScoredRows(), PlainBook()
    book = LabelBook(rows)
    sums: Counter[tuple[int, int, int, int]] = Counter()
    for step in steps:
        if isinstance(step, list):
            added(sums, book.land(landed(*step)))
            for label in step:
                plain.land(label)
            continue
        keys = np.array(sorted(step - plain.second.keys()), dtype=np.int64)
        seconds = np.array([moments.get(k, FIRST + k * 7_000) for k in keys.tolist()], np.int64)
        scored = Transactions(keys, keys, keys + 1, seconds, keys + 2)
        rows.add(scored)
        added(sums, book.on_scored(scored))
        for key, second in zip(keys.tolist(), seconds.tolist(), strict=True):
            plain.score(key, second)
    assert {k: n for k, n in sums.items() if n} == {k: n for k, n in plain.sums.items() if n}
    assert sorted(book.waiting.transaction_id.tolist()) == sorted(w[0] for w in plain.waiting)


def test_versions_that_count_before_the_snapshot_are_left_to_it() -> None:
    rows = ScoredRows()
    key = np.array([3])
    rows.add(Transactions(key, key, key, np.array([FIRST]), key))
    on_time = (FIRST + 7 * DAY) // HOUR + 1
    known = (3, 1, FIRST + 7 * DAY, NEVER_LANDED)
    assert added_sums(LabelBook(rows, on_time), known) == {on_time: 1}
    rows = ScoredRows()
    rows.add(Transactions(key, key, key, np.array([FIRST]), key))
    assert added_sums(LabelBook(rows, on_time + 1), known) == {}


def added_sums(book: LabelBook, label: tuple[int, int, int, int]) -> dict[int, int]:
    sums: Counter[int] = Counter()
    for version in book.land(landed(label)):
        labels = version.labels
        for hour, sign in zip(labels.counts_from_hour.tolist(), labels.sign.tolist(), strict=True):
            sums[hour] += sign
    return dict(sums)


def test_a_drop_s_label_is_corrected_though_no_message_brought_its_transaction() -> None:
    key, hour = np.array([3]), (FIRST + 7 * DAY) // HOUR + 1
    state = ScoringState(duplicate_horizon_days=30)
    label = (key, np.array([2]), np.array([hour]), np.array([FIRST + 7 * DAY]))
    state.add_rows_of_drops(Transactions(key, key, key, np.array([FIRST]), key), *label)
    assert state.can_be_labelled(np.array([3, 4])).tolist() == [True, False]
    assert not state.is_duplicate(key).any()

    book = LabelBook(ScoredRows())
    book.add_rows_of_drops(Transactions(key, key, key, np.array([FIRST]), key), *label)
    fork = book.fork(ScoredRows())
    known = FIRST + 9 * DAY
    midnight = (known // DAY + 1) * 24
    (version,) = book.land(landed((3, 0, known, known)))
    assert version.labels.counts_from_hour.tolist() == [midnight, midnight]
    assert version.labels.scenario.tolist() == [0, 2]
    assert version.labels.sign.tolist() == [1, -1]
    assert book.land(landed((3, 2, known - 1, known))) == []
    assert len(fork.land(landed((3, 0, known - 1, known)))) == 1


def test_a_label_that_is_confirmed_later_is_not_corrected_by_what_was_known_in_between() -> None:
    rows = ScoredRows()
    key = np.array([3])
    rows.add(Transactions(key, key, key, np.array([FIRST]), key))
    book = LabelBook(rows)
    known = FIRST + 5 * DAY
    assert len(book.land(landed((3, 0, known, known), (3, 0, known + 9, known + 9)))) == 1
    assert book.land(landed((3, 1, known + 5, known + 10))) == []
    assert len(book.land(landed((3, 1, known + 9, known + 10)))) == 1
