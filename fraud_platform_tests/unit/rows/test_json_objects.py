"""JSON objects as columns of texts: the same result for each object alone and for many at once."""

from __future__ import annotations

import pytest

from fraud_platform.rows.json_objects import ObjectReader

PLAIN = b'{"a": 1.10, "b": "x, y", "c": [1, {"b": 2}]}'


def _read(value: bytes, count: int = 1) -> tuple[list[object], object, list[str]]:
    found = ObjectReader(["b", "a"]).read([value] * count)
    assert all(len(column) == count for column in found.columns.values())
    texts: list[object] = [column[-1] for column in found.columns.values()]
    return texts, found.unread.get(count - 1), [*map(str, found.problems.get(count - 1, []))]


@pytest.mark.parametrize("count", [1, 60])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (PLAIN, ["x, y", "1.10"]),
        (b' {"a":-0.0,"b":"null"}\n', ["null", "-0.0"]),
        (b'{"b": null, "a": true}', [None, "true"]),
        (b'{"a": 1E+2, "b": ""}', ["", "1E+2"]),
        (b'{"b": "a\\"b\\u00e9", "a": "1"}', ['a"b\u00e9', "1"]),
        ('{"b": "\u20ac", "other": "\\"", "a": 2}'.encode(), ["\u20ac", "2"]),
        (b'{"\\u0061": 3}', [None, "3"]),
        (b"{}", [None, None]),
    ],
)
def test_values_are_the_texts_that_the_sender_wrote(
    value: bytes, expected: list[object], count: int
) -> None:
    assert _read(value, count) == (expected, None, [])


@pytest.mark.parametrize("count", [1, 60])
@pytest.mark.parametrize(
    "value",
    [
        *(b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 1.}', b'{"a": "x\ny"}', b'{"a": NaN}'),
        *(b'{"a": 1} {"a": 2}', b'{"a": 1,}', b'{"a" "b"}', b"{'a': 1}", b'{"a": "\xff"}', b""),
        *(b'{"a": tru}', b'{"a": "\\x"}', b'\xef\xbb\xbf{"a": 1}', b'{"a": 1}\x00'),
    ],
)
def test_what_is_no_json_is_not_read(value: bytes, count: int) -> None:
    texts, unread, problems = _read(value, count)
    assert (texts, problems) == ([None, None], [])
    assert unread is not None


@pytest.mark.parametrize("count", [1, 60])
def test_a_name_given_twice_and_a_list_are_problems(count: int) -> None:
    _, unread, problems = _read(b'{"a": 1, "b": [2], "a": 1, "other": 1, "other": 2}', count)
    assert unread is None
    assert problems == [
        "b has the wrong JSON type, expected a text or a number",
        "a is given twice",
    ]


@pytest.mark.parametrize("count", [1, 60])
def test_half_of_a_surrogate_pair_is_a_problem_of_its_own_message(count: int) -> None:
    values: list[bytes | None] = [b'{"a": "x\\n", "b": 1}'] * count
    values[-1] = b'{"a": "\\ud83d", "b": 1}'
    found = ObjectReader(["b", "a"]).read(values)
    assert found.columns["a"].to_list() == ["x\n"] * (count - 1) + [None]
    assert {place: [*map(str, said)] for place, said in found.problems.items()} == {
        count - 1: ["a is not valid Unicode"]
    }


def test_objects_of_many_shapes_keep_their_order() -> None:
    shapes = [b'{"a": %d, "b": "s"}', b'{"b": "s", "a": %d}', b'{"a": %d}', b'{"x": 1, "a": %d}']
    values: list[bytes | None] = [shapes[n % 4] % n for n in range(400)]
    values[7] = None
    reader = ObjectReader(["a"])
    for _ in range(3):
        found = reader.read(values)
        texts = [None if n == 7 else str(n) for n in range(400)]
        assert found.columns["a"].to_list() == texts
        assert list(found.unread) == [7]
