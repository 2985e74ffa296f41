"""Lines divided into fields: each line in one place, as Python's csv module divides it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.rows.formats import Delimited, Divided, Lines

NAMES = ("a", "b", "c")


def divided(text: bytes, divider: Delimited) -> tuple[dict[int, list[str]], list[int], Divided]:
    """Return the rows by line, the malformed lines, and everything."""
    found = divider.divide(Lines(text), NAMES)
    columns = [(found.columns[name]).to_list() for name in NAMES]
    rows = dict(zip(found.numbers.tolist(), map(list, zip(*columns, strict=True)), strict=True))
    return rows, found.malformed.tolist(), found


def test_fields_of_text_keep_quotes_and_hash_signs() -> None:
    text = b'1|"2"|3\r\n#4|5|6\n\n  \nonly|two\n7||long text of more than twelve bytes'
    rows, malformed, found = divided(text, Delimited(NAMES, "|"))
    assert rows == {
        0: ["1", '"2"', "3"],
        1: ["#4", "5", "6"],
        5: ["7", "", "long text of more than twelve bytes"],
    }
    assert (malformed, found.blank_lines, found.comment_lines) == ([4], 2, 0)


def test_comments_exist_only_with_a_commented_header() -> None:
    rows, _, found = divided(b"#4|5|6\n4|5|6\n", Delimited(NAMES, "|", has_comments=True))
    assert (rows, found.comment_lines) == ({1: ["4", "5", "6"]}, 1)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"1","2","3"', ["1", "2", "3"]),
        ('"1,5",2,"say ""hi"""', ["1,5", "2", 'say "hi"']),
        ('"","""",""""""', ["", '"', '""']),
        ('1,2,"3', None),
        ('1,2"2,3', None),
        ('1,"2"2,3', None),
        ('1," 2 ",3 ', ["1", " 2 ", "3 "]),
        ('1,"2",3,4', None),
        ('1, "2",3', None),
        ('"Zürich, ""Süd""",2,3', ['Zürich, "Süd"', "2", "3"]),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_quotes_are_as_in_rfc_4180(line: str, fields: list[str] | None, ending: str) -> None:
    text = f'x,"y",z\n{line}{ending}'.encode()
    rows, malformed, _ = divided(text, Delimited(NAMES, ",", has_quotes=True))
    assert rows.pop(0) == ["x", "y", "z"]
    assert rows == ({} if fields is None else {1: fields})
    assert malformed == ([1] if fields is None else [])


_TEXTS = st.text(st.sampled_from('ab",; é#'), max_size=14)


@given(st.lists(st.lists(_TEXTS, min_size=3, max_size=3), max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]], quote_all: bool) -> None:
    lines = []
    for row in rows:
        out = io.StringIO(newline="")
        if quote_all:
            csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
        else:
            csv.writer(out, lineterminator="\n").writerow(row)
        lines.append(out.getvalue())
    found, malformed, _ = divided("".join(lines).encode(), Delimited(NAMES, ",", has_quotes=True))
    assert malformed == []
    assert [found[number] for number in sorted(found)] == rows


@given(st.lists(st.binary(max_size=12), max_size=20), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_line_of_any_bytes_is_in_one_place(pieces: list[bytes], has_quotes: bool) -> None:
    text = b'1,"2",3\n' + b",".join(pieces)
    lines = Lines(text)
    found = Delimited(NAMES, ",", has_quotes, has_comments=True).divide(lines, NAMES)
    places = sorted([*found.numbers.tolist(), *found.malformed.tolist()])
    others = [
        number
        for number in range(len(lines))
        if not lines.line(number).strip(b" ") or lines.line(number).startswith(b"#")
    ]
    assert sorted(places + others) == list(range(len(lines)))
    assert found.blank_lines + found.comment_lines == len(others)
    for name in NAMES:
        assert len(found.columns[name]) == len(found.numbers)
        assert len(found.salvaged[name]) == len(found.malformed)


def test_a_line_that_is_not_utf_8_is_a_row_of_which_that_is_known() -> None:
    rows, malformed, found = divided(b"1,2,3\nZ\xfcrich,2,3\n4,5\xff", Delimited(NAMES, ","))
    assert rows == {0: ["1", "2", "3"], 1: ["Z\ufffdrich", "2", "3"]}
    assert (found.not_text.tolist(), malformed) == ([1], [2])


def test_of_a_malformed_line_the_first_fields_and_the_label_are_read() -> None:
    divider = Delimited(NAMES, ",", last=("c",))
    _, malformed, found = divided(b"1,2,x,y,3\n4\n", divider)
    assert malformed == [0, 1]
    assert {name: column.to_list() for name, column in found.salvaged.items()} == {
        "a": ["1", "4"],
        "b": ["2", None],
        "c": ["3", None],
    }
