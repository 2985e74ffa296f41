"""The truth files of dirty drops, compared with an independent judge written from the contract.

Here: a line-by-line judge in plain Python, and its results for simulated drops.
Not here: the platform's cleaning, which shares no code with this judge.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fraud_platform.simulation import (
    DirtRates,
    DropLayout,
    SimulatedDrop,
    SimulationConfig,
    simulate_drops,
)

Contents = tuple[Any, ...]
Judged = tuple[str, bytes, list[str], str | None, Contents]
Dirty = tuple[SimulationConfig, list[SimulatedDrop], dict[str, list[Judged]]]

INTEGER = re.compile(rb"-?[0-9]{1,18}")
AMOUNT = re.compile(rb"-?[0-9]+(\.[0-9]+)?|nan|-?inf", re.IGNORECASE)
DATETIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
ORDER = [
    "malformed_row",
    "bad_timestamp",
    "unknown_customer",
    "unknown_terminal",
    "non_positive_amount",
    "bad_label",
]


def read_time(text: str) -> tuple[datetime | None, bool]:
    """Return the time or None, and whether 24:00:00 was repaired."""
    is_midnight = bool(DATETIME.fullmatch(text)) and text.endswith(" 24:00:00")
    text = text.replace(" 24:00:00", " 00:00:00") if is_midnight else text
    try:
        time = datetime.strptime(text, "%Y-%m-%d %H:%M:%S") if DATETIME.fullmatch(text) else None
    except ValueError:
        return None, False
    if time is None or not 2000 <= time.year <= 2099:
        return None, False
    return time + timedelta(days=is_midnight), is_midnight


def judge(line: bytes) -> tuple[list[str], str | None, Contents, int]:  # noqa: C901 - the contract, rule by rule
    """Return (reasons, repair, contents, id) of one data line, ignoring duplicates."""
    fields = [f.strip(b" ") for f in line.split(b",")]
    try:
        line.decode()
    except UnicodeDecodeError:
        return ["malformed_row"], None, (), -1
    if len(fields) != 9:
        return ["malformed_row"], None, (), -1
    tx, when, customer, terminal, amount, seconds, days, fraud, scenario = fields
    found = set()
    integers = (tx, customer, terminal, seconds, days, fraud, scenario)
    if any(f and not INTEGER.fullmatch(f) for f in integers) or not tx or tx.startswith(b"-"):
        found.add("malformed_row")
    if amount and not AMOUNT.fullmatch(amount):
        found.add("malformed_row")
        cents = None
    else:
        number = Decimal(amount.decode() or "0")
        is_sized = number.is_finite() and abs(number) < 10**9
        cents = int((number * 100).to_integral_value(ROUND_HALF_UP)) if is_sized else -1
        if not 0 < cents <= 999_999_999:
            found.add("non_positive_amount")
    time, is_midnight = read_time(when.decode())
    if time is None:
        found.add("bad_timestamp")
    for name, field in (("unknown_customer", customer), ("unknown_terminal", terminal)):
        if not field or (INTEGER.fullmatch(field) and int(field) < 0):
            found.add(name)
    if (fraud, scenario) not in {(b"0", b"0"), (b"1", b"1"), (b"1", b"2"), (b"1", b"3")}:
        found.add("bad_label")
    if found:
        return [r for r in ORDER if r in found], None, (), -1
    is_rounded = len(amount.partition(b".")[2]) > 2
    repair = "midnight_24h" if is_midnight else "rounded_amount" if is_rounded else None
    contents = (time, int(customer), int(terminal), cents, fraud == b"1", int(scenario))
    return [], repair, contents, int(tx)


def judge_drops(folder: Path) -> dict[str, list[Judged]]:
    """Return, for each drop, (disposition, line, reasons, repair, contents) of every line."""
    published: dict[int, Contents] = {}
    result = {}
    for path in sorted(folder.glob("*.txt")):
        judged: list[Judged] = []
        valid: defaultdict[int, list[tuple[Contents, bytes, str | None]]] = defaultdict(list)
        for line in path.read_bytes().split(b"\n")[1:-1]:
            if not line or line.startswith(b"#"):
                judged.append(("comment" if line else "blank", line, [], None, ()))
                continue
            reasons, repair, contents, key = judge(line)
            if reasons:
                judged.append(("quarantine", line, reasons, None, ()))
            else:
                valid[key].append((contents, line, repair))
        kept = {}
        for key, copies in valid.items():
            copies.sort()
            if key not in published:
                kept[key] = copies[0][0]
                judged.append(("clean", copies[0][1], [], copies[0][2], copies.pop(0)[0]))
            for contents, line, _ in copies:
                is_equal = contents == published.get(key, kept.get(key))
                reason = "duplicate_id" if is_equal else "conflicting_duplicate_id"
                judged.append(("quarantine", line, [reason], None, ()))
        published |= kept
        result[path.stem] = judged
    return result


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Dirty:
    """Return the config and results of three very dirty drops, and the judged lines."""
    folder = tmp_path_factory.mktemp("dirty")
    rates = dict.fromkeys(DirtRates().by_kind(), 0.008)
    config = SimulationConfig(
        customers=400, terminals=800, days=40, drop_days=15, seed=7, dirt=DirtRates(**rates)
    )
    drops = simulate_drops(config, folder / "landing", folder / "truth")
    return config, drops, judge_drops(folder / "landing")


def truths(drop: SimulatedDrop) -> list[dict[str, Any]]:
    return pq.read_table(drop.truth_path).to_pylist()


def as_judged(row: dict[str, Any]) -> tuple[str, bytes, tuple[str, ...], str | None, Contents]:
    contents: Contents = ()
    if row["disposition"] == "clean":
        contents = (
            row["tx_datetime"].replace(tzinfo=None),
            row["customer_id"],
            row["terminal_id"],
            row["amount_cents"],
            row["is_fraud"],
            row["fraud_scenario"],
        )
    return (row["disposition"], row["raw_line"], tuple(row["reasons"]), row["repair"], contents)


def test_the_truth_of_every_dirty_line_follows_the_contract(dirty: Dirty) -> None:
    _, drops, judged = dirty
    for drop in drops:
        truth = Counter(as_judged(row) for row in truths(drop))
        lines = Counter((d, line, tuple(r), rep, c) for d, line, r, rep, c in judged[drop.drop])
        assert not truth - lines


def test_every_line_that_is_rejected_or_repaired_has_its_truth(dirty: Dirty) -> None:
    _, drops, judged = dirty
    for drop in drops:
        truth = Counter(as_judged(row) for row in truths(drop))
        lines = Counter(
            (d, line, tuple(r), rep, c)
            for d, line, r, rep, c in judged[drop.drop]
            if d != "clean" or rep
        )
        assert not lines - truth


def test_expected_ledger_counts_what_the_judge_counts(dirty: Dirty) -> None:
    _, drops, judged = dirty
    for drop in drops:
        lines = judged[drop.drop]
        kinds = Counter(disposition for disposition, *_ in lines)
        first_reasons = Counter(reasons[0] for _, _, reasons, *_ in lines if reasons)
        repairs = Counter(repair for *_, repair, _ in lines if repair)
        assert drop.rows_clean == kinds["clean"]
        assert drop.rows_read == kinds["clean"] + kinds["quarantine"]
        assert drop.rows_quarantined == kinds["quarantine"]
        assert {k.value: n for k, n in drop.rejected.items() if n} == dict(first_reasons)
        assert {k.value: n for k, n in drop.repaired.items() if n} == dict(repairs)
        assert (drop.blank_lines, drop.comment_lines) == (kinds["blank"], kinds["comment"])
        assert drop.frauds == sum(contents[4] for *_, contents in lines if contents)


def test_the_truth_gives_the_number_of_its_line_in_the_file(dirty: Dirty) -> None:
    _, drops, _ = dirty
    for drop in drops:
        lines = drop.path.read_bytes().split(b"\n")
        assert all(lines[row["line_number"] - 1] == row["raw_line"] for row in truths(drop))


def test_every_kind_of_dirt_reason_and_repair_occurs(dirty: Dirty) -> None:
    config, drops, _ = dirty
    rows = [row for drop in drops for row in truths(drop)]
    assert {row["kind"] for row in rows} == set(config.dirt.by_kind())
    never = {reason for reason in drops[0].rejected if not sum(d.rejected[reason] for d in drops)}
    # the simulated dirt has no dates that are weeks away; test_own_days.py covers them
    assert never == {"bad_value", "id_collision", "time_outside_drop"}
    assert all(sum(drop.repaired[repair] for drop in drops) for repair in drops[0].repaired)


def test_rows_of_each_kind_occur_at_their_rate(dirty: Dirty) -> None:
    _, drops, _ = dirty
    clean = sum(drop.rows_clean for drop in drops)
    kinds = Counter(row["kind"] for drop in drops for row in truths(drop))
    expected = clean * 0.008
    for kind in ("malformed_row", "unknown_customer", "midnight_24h", "rounded_amount"):
        # Six standard deviations of a Poisson count.
        assert abs(kinds[kind] - expected) < 6 * expected**0.5, kind


def test_lines_stay_ordered_by_time_without_copies(tmp_path: Path) -> None:
    rates = DirtRates.none().by_kind() | {"midnight_24h": 0.01, "rounded_amount": 0.01}
    config = SimulationConfig(customers=200, terminals=400, days=6, dirt=DirtRates(**rates))
    (drop,) = simulate_drops(config, tmp_path)
    rows = [line.split(",") for line in drop.path.read_text().splitlines()[1:]]
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    assert [int(row[0]) for row in rows] == list(range(len(rows)))


def test_without_dirt_every_line_is_clean(tmp_path: Path) -> None:
    config = SimulationConfig(customers=500, terminals=500, days=4, dirt=DirtRates.none())
    (drop,) = simulate_drops(config, tmp_path / "landing", tmp_path / "truth")
    (judged,) = judge_drops(tmp_path / "landing").values()
    assert {(disposition, repair) for disposition, _, _, repair, _ in judged} == {("clean", None)}
    assert drop.rows_clean == drop.rows_read == len(judged)
    assert truths(drop) == []


def test_crlf_drop_has_the_same_truth_as_its_lf_twin(tmp_path: Path) -> None:
    def rows(name: str, layout: DropLayout) -> list[dict[str, Any]]:
        config = SimulationConfig(
            customers=200, terminals=200, days=3, dirt=DirtRates().scaled(2_000), layout=layout
        )
        (drop,) = simulate_drops(config, tmp_path / name, tmp_path / f"{name}_truth")
        lines = drop.path.read_bytes().split(layout.line_ending.encode())
        assert all(lines[row["line_number"] - 1] == row["raw_line"] for row in truths(drop))
        return truths(drop)

    assert rows("lf", DropLayout()) == rows("crlf", DropLayout(crlf=True))
