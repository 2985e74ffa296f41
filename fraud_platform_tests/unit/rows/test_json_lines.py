"""Lines of JSON objects: read as Python's json module reads them, but for numbers' digits."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.rows import json_objects
from fraud_platform.rows.formats import Lines
from fraud_platform.rows.json_lines import JsonLines, count_names

COLUMNS = ("id", "amount", "note")
Row = list[str | None]


def read(lines: list[bytes]) -> tuple[dict[int, Row], list[int]]:
    """Return the rows by line, and the malformed lines."""
    found = JsonLines().divide(Lines(b"\n".join(lines)), COLUMNS)
    columns = [found.columns[name].to_list() for name in COLUMNS]
    rows = dict(zip(found.numbers.tolist(), map(list, zip(*columns, strict=True)), strict=True))
    return rows, found.malformed.tolist()


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('{"id": 17, "amount": 1.10, "note": "x"}', ["17", "1.10", "x"]),
        ('{"note":"x","id":17,"amount":1.10}', ["17", "1.10", "x"]),
        ('{"id":"a, {b}: c","amount":"1.10","other":[1,{"id":2}]}', ["a, {b}: c", "1.10", None]),
        ('{"id":1e3,"amount":-0.50E+7,"note":null}', ["1e3", "-0.50E+7", None]),
        ('{"id":true,"amount":false,"note":""}', ["true", "false", ""]),
        ('{"id":"\\u00e9\\"\\\\","amount":1}', ['é"\\', "1", None]),
        (' \t{ "id" : 1 ,"amount": 2 } \r', ["1", "2", None]),
        ('{"i\\u0064":1}', ["1", None, None]),
        ('{"id":"Zoë, long enough to be referred to","amount":2}',
         ["Zoë, long enough to be referred to", "2", None]),
        ("{}", [None, None, None]),
        ('{"other":1,"other":2,"id":3}', ["3", None, None]),
        ('{"id":01}', None),
        ('{"id":1,}', None),
        ('{"id":1,"id":2}', None),
        ('{"id":{"id":1}}', None),
        ('{"id":[1]}', None),
        ('{"id":"\\ud800"}', None),
        ('{"id":"a\tb"}', None),
        ('{"id":NaN}', None),
        ('{"id":1} {"id":2}', None),
        ('{"id":"1}', None),
        ('["id",1]', None),
        ("id,1", None),
    ],
)  # fmt: skip
def test_a_line_is_an_object_with_texts_or_malformed(line: str, fields: Row | None) -> None:
    plain = b'{"id":"0","amount":5,"note":"n"}'
    rows, malformed = read([plain, line.encode(), plain])
    assert rows.pop(0) == rows.pop(2) == ["0", "5", "n"]
    assert rows == ({} if fields is None else {1: fields})
    assert malformed == ([1] if fields is None else [])


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
_OBJECTS = st.dictionaries(st.sampled_from(["id", "amount", "note", "x", 'q"']), _VALUES)


def expected(values: Mapping[str, object]) -> Row | None:
    texts: Row = []
    for name in COLUMNS:
        value = values.get(name)
        if isinstance(value, list):
            return None
        text = json.dumps(value) if isinstance(value, bool | int) else value
        texts.append(None if text is None else str(text))
    return texts


@given(st.lists(_OBJECTS, max_size=30), st.booleans(), st.booleans(), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_what_the_json_module_writes_is_read_back(
    objects: list[dict[str, object]], ascii_only: bool, compact: bool, layouts: int
) -> None:
    separators = (",", ":") if compact else (", ", ": ")
    lines = [
        json.dumps(one, ensure_ascii=ascii_only, separators=separators).encode() for one in objects
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_objects, "_MOST_SHAPES", layouts)
        rows, malformed = read(lines)
    wanted = dict(enumerate(map(expected, objects)))
    assert rows == {number: row for number, row in wanted.items() if row is not None}
    assert sorted(malformed) == [number for number, row in wanted.items() if row is None]


def test_a_line_that_is_not_utf_8_is_malformed_and_its_label_is_not_guessed() -> None:
    rows, malformed = read([b'{"id":"\xff"}', b'{"id":"1"}', b"   ", b""])
    assert (rows, malformed) == ({1: ["1", None, None]}, [0])


def test_names_are_counted_in_whole_lines() -> None:
    objects, names = count_names(b'{"a":1,"b":2}\r\nno object\n[1]\n{"a":{"c":1}}\n{"d":1}')
    assert (objects, dict(names)) == (2, {"a": 2, "b": 1})
