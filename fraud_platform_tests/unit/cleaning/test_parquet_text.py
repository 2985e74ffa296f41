"""Parquet drops as text: each type of value has one text, which the reader understands."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.cleaning.parquet_text import parquet_lines
from fraud_platform.cleaning.raw_text import open_text
from fraud_platform.contracts.data_set import DropFormat, SourceSpec, Time
from fraud_platform.datasets.handbook import DATA_SET
from fraud_platform.errors import DropHeaderError, DropUnreadableError
from fraud_platform_tests.testing.defaults import unpacking

SOURCE = replace(DATA_SET.source, drops=DropFormat("parquet", "{day}.parquet"))
MOMENT = datetime(2018, 7, 1, 12, 30, 5)


def columns(**others: pa.Array) -> dict[str, pa.Array]:
    found = {name: pa.array([1, None, 3]) for name in SOURCE.columns}
    return found | others


def lines_of(table: dict[str, pa.Array], source: SourceSpec = SOURCE) -> list[dict[str, object]]:
    out = io.BytesIO()
    pq.write_table(pa.table(table), out)
    out.seek(0)
    text = b"".join(parquet_lines(out, "f.parquet", source))
    return [json.loads(line) for line in text.decode().splitlines()]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([7, None, -3]), ["7", None, "-3"]),
        (pa.array([1.10, 100.0, 1e-7]), ["1.1", "100", "0.0000001"]),
        (pa.array([1e16, float("nan"), float("inf")]), ["10000000000000000", "nan", "inf"]),
        (pa.array([-0.0, 70.91, None], pa.float32()), ["0", "70.91", None]),
        (pa.array([Decimal("1.10"), Decimal("0E-8"), Decimal(300)], pa.decimal128(20, 8)),
         ["1.1", "0", "300"]),
        (pa.array(['say "hi"\n', "é", ""]), ['say "hi"\n', "é", ""]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"abc", b"\xff", None]), ["abc", "0xff", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([date(2018, 7, 1), None, None]), ["2018-07-01", None, None]),
        (pa.array([2**63, 0, 1], pa.uint64()), ["9223372036854775808", "0", "1"]),
        (pa.array([[1], None, []], pa.list_(pa.int64())), [[1], None, []]),
    ],
)  # fmt: skip
def test_each_value_has_one_text(values: pa.Array, texts: list[object]) -> None:
    lines = lines_of(columns(customer_id=values))
    assert [line["customer_id"] for line in lines] == texts


@pytest.mark.parametrize(
    ("booked", "values", "text"),
    [
        (Time(("tx_datetime",), "%Y-%m-%d %H:%M:%S", "UTC", None),
         pa.array([MOMENT] * 3, pa.timestamp("us")), "2018-07-01 12:30:05"),
        (Time(("tx_datetime",), "%d.%m.%Y %H:%M", "Europe/Paris", None),
         pa.array([MOMENT.replace(tzinfo=UTC)] * 3, pa.timestamp("ms", "UTC")),
         "01.07.2018 14:30"),
        (Time(("tx_datetime",), None, "UTC", "ms"),
         pa.array([MOMENT] * 3, pa.timestamp("ns")), "1530448205000"),
        (Time(("tx_datetime",), None, "UTC", "s"), pa.array([1530448205] * 3), "1530448205"),
    ],
)  # fmt: skip
def test_a_time_is_written_as_it_is_declared(booked: Time, values: pa.Array, text: str) -> None:
    lines = lines_of(columns(tx_datetime=values), replace(SOURCE, booked=booked))
    assert {line["tx_datetime"] for line in lines} == {text}


def test_a_date_and_a_time_are_written_in_their_parts_of_the_format() -> None:
    booked = Time(("day", "clock"), "%d/%m/%Y %H.%M.%S", "UTC", None)
    table = columns(day=pa.array([date(2018, 7, 1)] * 3), clock=pa.array([time(9, 5, 1)] * 3))
    lines = lines_of(table, replace(SOURCE, booked=booked))
    assert {(line["day"], line["clock"]) for line in lines} == {("01/07/2018", "09.05.01")}


def test_a_file_without_a_declared_column_is_refused() -> None:
    table = columns()
    del table["tx_amount"]
    with pytest.raises(DropHeaderError, match="'tx_amount' is missing"):
        lines_of(table)


def test_a_file_that_is_no_parquet_or_not_whole_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table(columns()), out)
    for content in (b"", b"a,b\n1,2\n", out.getvalue()[:-9], out.getvalue()[100:]):
        with pytest.raises(DropUnreadableError, match="expected a whole Parquet file"):
            list(parquet_lines(io.BytesIO(content), "f.parquet", SOURCE))
    path = tmp_path / "2018-07-01.parquet"
    path.write_bytes(out.getvalue())
    data_set = replace(DATA_SET, source=SOURCE, fits_fast_parser=False)
    scratch = tmp_path / "scratch"
    with open_text(ByteFiles(), str(path), str(scratch), unpacking(), data_set) as text:
        assert len(Path(text.url).read_bytes().splitlines()) == 3
    assert list(scratch.iterdir()) == []
