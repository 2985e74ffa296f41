"""Declared sources: the Handbook's lines as text, CSV and JSON are read as its judge reads them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from fraud_platform.cleaning.block_readers import ReadBlock
from fraud_platform.cleaning.declared_blocks import DeclaredReader, reader_of
from fraud_platform.cleaning.header import Header
from fraud_platform.contracts.data_set import DropFormat
from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.time import day_number
from fraud_platform.datasets.handbook import DATA_SET
from fraud_platform.rows.formats import Lines
from fraud_platform.rows.judge import REASON_BITS, JudgedRow, judge_line
from fraud_platform_tests.oracles import nasty_lines

SLOW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
IGNORED = (5, 6)
"""Fields of the Handbook that its declaration does not use."""

Row = tuple[bytes, int, int, int | None, tuple[int, ...]]


def reader(drops: DropFormat, names: tuple[str, ...] = COLUMNS) -> DeclaredReader:
    source = replace(DATA_SET.source, drops=drops)
    data_set = replace(DATA_SET, source=source, fits_fast_parser=False)
    found = reader_of(data_set, Header(0, 0, names))
    assert isinstance(found, DeclaredReader)
    return found


COMMENTED = reader(DropFormat("text", "{day}.txt", header="commented", names=COLUMNS))


def expected(line: bytes, days: DaySpan | None = None) -> JudgedRow:
    fields = line.split(b",")
    is_text = line.decode(errors="replace").encode() == line
    if len(fields) == len(COLUMNS):
        fields = [b"0" if place in IGNORED else field for place, field in enumerate(fields)]
        line = b",".join(fields)
    row = judge_line(line, days)
    if is_text or row.reasons & REASON_BITS[Reason.MALFORMED_ROW]:
        return row
    return JudgedRow(row.reasons | REASON_BITS[Reason.MALFORMED_ROW], 0, row.transaction_id)


def rows_by_judge(lines: list[bytes], days: DaySpan | None = None) -> list[Row]:
    found: list[Row] = []
    for line in lines:
        row = expected(line, days)
        contents = () if row.reasons else (*row[3:7], row.scenario)
        found.append((line, row.reasons, row.repairs, row.transaction_id, contents))
    return sorted(found, key=repr)


def rows_of(read: ReadBlock, lines: list[bytes]) -> list[Row]:
    rows = read.rows
    repairs = np.zeros(len(rows), np.int32) if read.repairs is None else read.repairs
    columns: tuple[Any, ...] = (rows.seconds, rows.customer_id, rows.terminal_id)
    columns += (rows.amount_cents, rows.scenario)
    contents = zip(*(column.tolist() for column in columns), strict=True)
    parts = (read.numbers.tolist(), repairs.tolist(), rows.transaction_id.tolist(), contents)
    found: list[Row] = [
        (lines[number], 0, repair, key, values)
        for number, repair, key, values in zip(*parts, strict=True)
    ]
    bad = read.bad
    found += [
        (line, reasons, 0, key, ())
        for line, reasons, key in zip(bad.lines, bad.reasons, bad.ids, strict=True)
    ]
    return sorted(found, key=repr)


def data_lines(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line.strip(b" ") and not line.startswith(b"#")]


@SLOW
@given(nasty_lines.texts())
def test_text_is_read_as_the_handbooks_judge_reads_it(text: bytes) -> None:
    block = Lines(text)
    read = COMMENTED.read(block, None)
    lines = [block.line(number) for number in range(len(block))]
    assert rows_of(read, lines) == rows_by_judge(data_lines(lines))
    assert read.blank_lines == sum(not line.strip(b" ") for line in lines)
    assert len(lines) == read.blank_lines + read.comment_lines + len(data_lines(lines))


def test_each_odd_value_is_read_as_the_handbooks_judge_reads_it() -> None:
    lines = nasty_lines.each_odd_value()
    day = day_number(date(2019, 8, 22))
    for days in (None, DaySpan(day, day), DaySpan(day + 1, day + 9)):
        read = COMMENTED.read(Lines(b"\n".join(lines)), days)
        assert rows_of(read, lines) == rows_by_judge(lines, days)


def texts_of(line: bytes) -> list[str] | None:
    """Return a line's fields, None if they are not nine texts that every format can write."""
    fields = line.split(b",")
    try:
        texts = [field.decode() for field in fields]
    except UnicodeDecodeError:
        return None
    has_line_end = any(character in line for character in b"\r\n")
    return None if len(texts) != len(COLUMNS) or has_line_end else texts


ORDER = (4, 8, 0, 7, 2, 1, 3)
"""Another order of the columns, without those that are not declared."""


def as_json(texts: list[str], shuffled: bool = False) -> bytes:
    pairs = {COLUMNS[place]: texts[place] for place in (ORDER if shuffled else range(9))}
    return json.dumps(pairs, ensure_ascii=shuffled).encode()


def as_csv(texts: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="", quoting=csv.QUOTE_ALL).writerow(
        [texts[place] for place in ORDER] + ['a "quoted"; text']
    )
    return out.getvalue().encode()


@pytest.mark.parametrize("form", ["csv", "json", "shuffled json"])
def test_each_odd_value_in_another_format_is_what_it_is_in_text(form: str) -> None:
    texts = [row for line in nasty_lines.each_odd_value() if (row := texts_of(line))]
    if form == "csv":
        names = (*(COLUMNS[place] for place in ORDER), "note")
        declared = reader(DropFormat("csv", "{day}.csv", ";"), names)
        lines = [as_csv(row) for row in texts]
    else:
        declared = reader(DropFormat("json_lines", "{day}.jsonl"), ())
        lines = [as_json(row, form == "shuffled json") for row in texts]
    read = declared.read(Lines(b"\n".join(lines) + b"\n"), None)
    originals = [",".join(row).encode() for row in texts]
    back = dict(zip(lines, originals, strict=True))
    read.bad.lines = [back[line] for line in read.bad.lines]
    assert rows_of(read, originals) == rows_by_judge(originals)


@SLOW
@given(nasty_lines.texts())
def test_ids_and_days_are_those_of_the_rows(text: bytes) -> None:
    block = Lines(text)
    read = COMMENTED.read(block, None)
    wanted = read.rows.transaction_id.tolist() + [key for key in read.bad.ids if key is not None]
    scanned = COMMENTED.scan(block)
    assert sorted(scanned.ids) == sorted(key for key in wanted if key >= 0)
    assert set(read.rows.days.tolist()) <= set(scanned.days.tolist())
    assert scanned.day_rows.sum() >= len(read.rows)
