"""Lines into rows, without Spark: the task that cleans byte ranges against the oracle."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.cleaning.block_readers import FixedReader
from fraud_platform.cleaning.duplicates import SuspectJudge
from fraud_platform.cleaning.ids import IdSet, unpack
from fraud_platform.cleaning.tasks import Destination, clean_ranges, scan_id_groups, scan_ids
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.rows import lines as lines_module
from fraud_platform.rows.canonical import parse_canonical
from fraud_platform.rows.judge import REASON_BITS, judge_line
from fraud_platform.rows.lines import LineBlock, TextRange, read_blocks, split_text
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles import nasty_lines

HEADER = nasty_lines.HEADER + b"\n"
GOOD = b"17,2019-08-22 06:51:03,596,3156,57.16,24663,0,0,0"
MANY = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


Rejected = tuple[str, tuple[str, ...], bytes, int | None]


def clean(
    folder: Path, text: bytes, range_bytes: int = 1 << 20
) -> tuple[dict[str, Any], Counter[str]]:
    """Run the cleaning task over a text and return its tables and its summed counts."""
    path = folder / "text"
    path.write_bytes(text)
    body = text.index(b"\n") + 1 if b"\n" in text else len(text)
    ranges = split_text(str(path), body, len(text), range_bytes)
    out = folder / "out"
    folders = [str(out / kind) for kind in ("clean", "quarantine", "suspects")]
    destination = Destination(folders[0], folders[1], folders[2], "p")
    task = clean_ranges(ByteFiles(), FixedReader(), ranges, destination, np.empty(0, np.int64))
    numbers = pa.RecordBatch.from_arrays([pa.array(range(len(ranges)))], names=["id"])
    counts: Counter[str] = Counter()
    tables: dict[str, list[pa.Table]] = {"clean": [], "quarantine": []}
    for batch in task([numbers]):
        manifest = json.loads(batch["manifest"][0].as_py())
        assert manifest["too_long_at"] is None
        counts.update(manifest["counts"])
        for kind, found in tables.items():
            if kind in manifest["files"]:
                found.append(pq.read_table(manifest["files"][kind]["url"]))
                Path(manifest["files"][kind]["url"]).unlink()
    return {k: pa.concat_tables(found) if found else None for k, found in tables.items()}, counts


def judged_by_oracle(
    text: bytes,
) -> tuple[list[tuple[Any, ...]], Counter[Rejected], oracle.CleanedByOracle]:
    """Return the oracle's clean rows and quarantined rows, duplicates not judged."""
    result = oracle.CleanedByOracle()
    clean_rows = []
    quarantined: Counter[Rejected] = Counter()
    for line in oracle._data_lines(text, result):
        judged = oracle.judge(line)
        if isinstance(judged, tuple):
            reasons, transaction_id = judged
            quarantined[reasons[0], reasons, line, transaction_id] += 1
        else:
            clean_rows.append(judged.row)
            result.repairs.update(judged.repairs)
    return sorted(clean_rows), quarantined, result


def assert_agrees(folder: Path, text: bytes, range_bytes: int = 1 << 20) -> None:
    tables, counts = clean(folder, text, range_bytes)
    clean_rows, quarantined, result = judged_by_oracle(text)
    found = []
    if tables["clean"] is not None:
        columns = tables["clean"].to_pydict()
        assert columns["tx_date"] == [when.date() for when in columns["tx_datetime"]]
        del columns["tx_date"]
        found = sorted(zip(*columns.values(), strict=True))
    assert found == clean_rows
    rejected: Counter[Rejected] = Counter()
    if tables["quarantine"] is not None:
        for row in tables["quarantine"].to_pylist():
            key = row["reason"], tuple(row["reasons"]), row["raw_line"], row["transaction_id"]
            rejected[key] += 1
    assert rejected == quarantined
    assert counts["rows_read"] == result.rows_read
    assert counts["blank_lines"] == result.blank_lines
    assert counts["comment_lines"] == result.comment_lines - 1
    for repair in ("midnight_24h", "rounded_amount"):
        assert counts[f"repaired_{repair}"] == result.repairs[repair]


@MANY
@given(nasty_lines.texts())
@example(HEADER)
@example(HEADER + b"\r")
@example(HEADER + GOOD + b"\r")
@example(HEADER + GOOD + b"\r\r\n")
@example(HEADER + b"\r\n\n \n")
@example(HEADER + GOOD[:-1] + b"\n" + GOOD)
def test_every_line_ends_where_the_oracle_puts_it(tmp_path: Path, text: bytes) -> None:
    assert_agrees(tmp_path, text)


@MANY
@given(nasty_lines.texts(max_lines=20), st.integers(1, 200), st.integers(1, 64))
def test_the_cut_into_ranges_and_blocks_changes_nothing(
    tmp_path: Path, text: bytes, range_bytes: int, block_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BLOCK_BYTES", block_bytes)
        assert_agrees(tmp_path, text, range_bytes)


@MANY
@given(nasty_lines.lines)
@example(b"123456789012345678,2019-08-22 06:51:03,12345678901234567,0,1.00,1,1,0,0")
@example(b"9999999999999999,2099-12-31 23:59:59,0,0,99999.99,1,1,1,3")
def test_the_quick_way_claims_only_what_the_judge_finds_valid_and_equal(line: bytes) -> None:
    assert_claimed_rightly(line)


def test_the_quick_way_leaves_every_single_odd_value_to_the_judge() -> None:
    for line in nasty_lines.each_odd_value():
        assert_claimed_rightly(line)


def test_every_single_odd_value_ends_where_the_oracle_puts_it(tmp_path: Path) -> None:
    assert_agrees(tmp_path, HEADER + b"\n".join(nasty_lines.each_odd_value()))


def assert_claimed_rightly(line: bytes) -> None:
    """Assert that the quick way does not claim the line, or reads it as the judge does."""
    block = LineBlock(line + b"\n")
    rows, is_claimed = parse_canonical(block)
    if not is_claimed.any():
        return
    judged = judge_line(block.line(0))
    assert judged[:2] == (0, 0)
    quick = [int(column[0]) for name, column in vars(rows).items() if name != "facts"]
    assert quick == [
        judged.transaction_id,
        judged.seconds,
        judged.seconds // 86_400,
        judged.customer_id,
        judged.terminal_id,
        judged.amount_cents,
        judged.scenario,
    ]
    assert judged.fraud == (judged.scenario > 0)


@given(
    fields=st.lists(st.sampled_from([1, 2, 4, 8, 9, 9, 9, 9, 9, 10, 18, 27, 100]), min_size=1),
    ends_with_lf=st.booleans(),
)
@example(fields=[9, 4, 5, 9], ends_with_lf=True)
@example(fields=[*([9] * 40), *([3] * 40), *([9] * 40)], ends_with_lf=False)
@MANY
def test_lines_with_any_number_of_fields_are_told_apart(
    fields: list[int], ends_with_lf: bool
) -> None:
    lines = [b",".join([b"x"] * count) for count in fields]
    block = LineBlock(b"\n".join(lines) + b"\n" * ends_with_lf)
    assert [block.line(number) for number in range(len(block))] == lines
    assert block.rows.tolist() == [number for number, count in enumerate(fields) if count == 9]


def test_the_quick_way_claims_ordinary_lines() -> None:
    text = b"".join(
        b"%d,2019-08-%02d %02d:%02d:%02d,%d,%d,%.2f,%d,%d,%d,%d\n"
        % (n * 977, n % 31 + 1, n % 24, n % 60, n % 59, n * 31, n, n / 7 + 1, n, n, n % 2, n % 2)
        for n in range(2000)
    )
    rows, is_claimed = parse_canonical(LineBlock(text))
    assert is_claimed.all()
    assert rows.transaction_id.tolist() == [n * 977 for n in range(2000)]


def test_the_quick_way_claims_padded_lines_where_they_are_many() -> None:
    fields = GOOD.split(b",")
    padded = [b" " * (n % 5) + f + b" " * (n % 4) for n in range(200) for f in fields]
    lines = [b",".join(padded[i : i + 9]) for i in range(0, len(padded), 9)]
    rows, is_claimed = parse_canonical(LineBlock(b"\n".join(lines)))
    assert is_claimed.all()
    assert set(rows.amount_cents.tolist()) == {5716}


def test_a_line_of_ten_megabytes_is_quarantined_whole(tmp_path: Path) -> None:
    long = b"5," + bytes(range(32, 127)) * 110_000
    tables, counts = clean(tmp_path, HEADER + GOOD + b"\n" + long + b"\n" + GOOD + b"\n", 1 << 16)
    assert tables["quarantine"]["raw_line"].to_pylist() == [long]
    assert (counts["rows_read"], tables["clean"].num_rows) == (3, 2)


def test_a_line_above_the_limit_is_reported_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 1 << 21)
    text = HEADER + GOOD + b"\n" + b"x" * (5 << 20)
    path = tmp_path / "text"
    path.write_bytes(text)
    part = TextRange(str(path), len(HEADER), len(text), len(HEADER))
    with path.open("rb") as file, pytest.raises(lines_module.LineTooLongError) as caught:
        list(read_blocks(file, part, LineBlock))
    assert caught.value.args == (len(HEADER) + len(GOOD) + 1,)


@pytest.mark.parametrize("lines_before", [0, 1, 1000, 30_000])
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_the_limit_of_a_line_is_the_same_wherever_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines_before: int, ending: bytes
) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 1 << 21)
    path = tmp_path / "text"
    for length, is_taken in ((1 << 21, True), ((1 << 21) + 1, False)):
        text = (GOOD + b"\n") * lines_before + b"x" * length + ending
        path.write_bytes(text)
        with path.open("rb") as file:
            blocks = read_blocks(file, TextRange(str(path), 0, len(text), 0), LineBlock)
            if is_taken:
                assert sum(map(len, blocks)) == lines_before + 1
            else:
                with pytest.raises(lines_module.LineTooLongError) as caught:
                    list(blocks)
                assert caught.value.args == (len(text) - length - len(ending),)


def test_a_long_line_of_commas_is_judged_without_a_list_of_its_fields() -> None:
    line = b"10," * (1 << 20)
    tracemalloc.start()
    assert judge_line(line).transaction_id == 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(line)


def repeated_of(values: list[int]) -> list[int]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


ID_LISTS = st.lists(
    st.one_of(st.integers(0, 300), st.integers(0, 10**18 - 1), st.just(10**18 - 1)), max_size=100
)


@MANY
@given(st.lists(ID_LISTS, max_size=4))
def test_id_sets_hold_each_id_once_and_name_each_repetition(lists: list[list[int]]) -> None:
    sets = [IdSet.of(np.array(ids, np.int64)) for ids in lists]
    for ids, found in zip(lists, sets, strict=True):
        assert sorted(unpack(found.groups, found.bits).tolist()) == sorted(set(ids))
        assert found.repeated.tolist() == repeated_of(ids)
    union = IdSet.union(sets)
    every = [value for ids in lists for value in ids]
    assert sorted(unpack(union.groups, union.bits).tolist()) == sorted(set(every))
    assert len(union) == len(set(every))
    assert union.repeated.tolist() == repeated_of(every)


@MANY
@given(nasty_lines.texts(max_lines=30), st.sampled_from([1000, 1]))
def test_the_scan_sees_the_id_of_every_valid_row(
    tmp_path: Path, text: bytes, max_groups: int
) -> None:
    path = tmp_path / "text"
    path.write_bytes(text)
    ranges = split_text(str(path), text.index(b"\n") + 1, len(text), 400)
    numbers = pa.RecordBatch.from_arrays([pa.array(range(len(ranges)))], names=["id"])
    expected = [int(row[0]) for row in judged_by_oracle(text)[0]]
    sets = []
    for row in rows_of(scan_ids(ByteFiles(), FixedReader(), ranges, max_groups)([numbers])):
        if row["groups"] is not None:
            columns: dict[str, Any] = {n: np.frombuffer(row[n], t) for n, t in SET_TYPES.items()}
            sets.append(IdSet(**columns))
        else:
            assert max_groups == 1
            assert row["low_group"] <= row["high_group"]
    seen: Counter[int] = Counter()
    for row in rows_of(scan_id_groups(ByteFiles(), FixedReader(), ranges)([numbers])):
        seen.update(
            unpack(np.array([row["id_group"]]), np.array([row["id_bits"]]).view("u8")).tolist()
        )
    assert set(expected) <= set(seen)
    assert set(repeated_of(expected)) <= {value for value, count in seen.items() if count > 1}
    if len(sets) == len(ranges):
        union = IdSet.union(sets)
        assert set(unpack(union.groups, union.bits).tolist()) == set(seen)
        assert set(repeated_of(expected)) <= set(union.repeated.tolist())


SET_TYPES = {"groups": np.int64, "bits": np.uint64, "repeated": np.int64}


def rows_of(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


@MANY
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([None, 0, 1])), max_size=30
    ),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_suspects_are_judged_alike_however_they_are_cut_into_batches(
    suspects: list[tuple[int, int, int | None]], cuts: list[int]
) -> None:
    by_id = {key: earlier for key, _, earlier in suspects}
    rows = sorted((key, cents) for key, cents, _ in suspects)
    expected = []
    kept: dict[int, int] = {}
    for key, cents in rows:
        earlier = by_id[key]
        is_kept = key not in kept and earlier is None
        reference = kept.setdefault(key, cents if earlier is None else earlier)
        reason = Reason.DUPLICATE_ID if cents == reference else Reason.CONFLICTING_DUPLICATE_ID
        expected.append(0 if is_kept else REASON_BITS[reason])
    zeros = [0] * len(rows)
    columns: dict[str, Sequence[int | None]] = dict.fromkeys(
        ["seconds", "customer_id", "terminal_id", "scenario"], zeros
    )
    columns = {
        "transaction_id": [key for key, _ in rows],
        "amount_cents": [c for _, c in rows],
    } | columns
    stored = [by_id[key] for key, _ in rows]
    for name in ("seconds", "customer_id", "terminal_id", "scenario"):
        columns[f"earlier_{name}"] = [None if value is None else 0 for value in stored]
    columns["earlier_amount_cents"] = stored
    schema = pa.schema([(name, pa.int64()) for name in columns])
    table = pa.RecordBatch.from_pydict(columns, schema=schema)
    judge, places = SuspectJudge(), sorted({0, *cuts, len(rows)})
    found = [
        bit
        for begin, end in pairwise(place for place in places if place <= len(rows))
        for bit in judge.judge(table.slice(begin, end - begin)).tolist()
    ]
    assert found == expected
