"""Lines that try a cleaner: hypothesis strategies over the contract's edges.

Here: strategies for fields, lines and texts of drops.
Not here: what they must become (`oracles.cleaning`).
"""

from __future__ import annotations

from hypothesis import strategies as st

HEADER = (
    b"# tranaction_id | tx_datetime | customer_id | terminal_id | tx_amount | tx_time_seconds"
    b" | tx_time_days | tx_fraud | tx_fraud_scenario"
)

_NUMBERS = ["0", "-0", "1", "00", "007", "-1", "-999999", "1.0", "1e3", "+1", "", " "]
_NUMBERS += ["x", "0x1", "99999999", "999999999", "9" * 15, "9" * 16, "9" * 17, "9" * 18]
_NUMBERS += ["9" * 19, "-" + "9" * 18, "1 2", "\t1", "1\t", '"1"', "٣", "1\x00", "\x00"]
_NUMBERS += ["--1", "-", "0" * 17 + "5"]
_AMOUNTS = ["57.16", "8.5", "12", "0", "0.00", "0.004", "0.005", "0.0049999999999999999"]
_AMOUNTS += ["-0.005", "9999999.99", "9999999.994", "9999999.995", "9999999.9949999999"]
_AMOUNTS += ["10000000", ".5", "5.", "NaN", "nan", "NAN", "inf", "-inf", "Inf", "+inf"]
_AMOUNTS += ["-nan", "infinity", "1e2", "+5", "-5", "1,5", "1.2.3", "00000000000057.10"]
_AMOUNTS += ["99999.99", "100000.00", "1.005", "2.675", "1.115", "0.015"]
_AMOUNTS += ["57.1600000000000001", "1..5", " 5.5", "5.5 ", "5. 5", "9" * 30]
_AMOUNTS += ["0." + "9" * 30, "-" + "9" * 400, "1." + "0" * 300, "12345.6", "1234567.8"]
_AMOUNTS += [".16", "..16", "123456.78", "1234567.89", "12345678.90", "1234567.8"]
_AMOUNTS += ["123456.7", "1234567", "12345678", "123456789", "99999.995"]
_TIMES = ["2019-08-22 06:51:03", "2019-08-22 24:00:00", "2019-12-31 24:00:00"]
_TIMES += ["2099-12-31 24:00:00", "1999-12-31 24:00:00", "2019-08-22 24:00:01"]
_TIMES += ["2019-02-29 00:00:00", "2020-02-29 00:00:00", "2100-02-28 00:00:00"]
_TIMES += ["1999-12-31 23:59:59", "2000-01-01 00:00:00", "2099-12-31 23:59:59"]
_TIMES += ["2019-08-22 23:60:00", "2019-08-22 23:59:60", "2019-8-22 06:51:03"]
_TIMES += ["2019-08-22T06:51:03", "2019-08-22  06:51:03", "2019-08-22 06:51:3"]
_TIMES += ["2019-08-22", "", "2019/08/22 06:51:03", "2019-00-10 00:00:00"]
_TIMES += ["2019-13-10 00:00:00", "20190822 06:51:03", "2019-08-22 06:51:03 "]
_TIMES += ["2019-08-22 06:51:03Z", "٢٠١٩-08-22 06:51:03", "2019-08-00 00:00:00"]
_TIMES += ["2019-08-32 00:00:00", "2019-08-22 25:00:00", "2019-02-28 24:00:00"]
_TIMES += [":::::::::::::::::::", "2019-0:-22 06:51:03", "2019-08-22 0?:51:03"]
_TIMES += ["2019-08-22-06:51:03", "2019-08-2é 06:51:03"]
_LABEL_VALUES = ["0", "1", "2", "3", "4", "", "01", " 1", "10", "a", "-1", "\x00", "/", ":"]
_GOOD_ROW = [b"7", b"2019-08-22 06:51:03", b"596", b"3156", b"57.16", b"24663", b"0", b"0", b"0"]


def each_odd_value() -> list[bytes]:
    """Return every odd value in an otherwise good row, bare, padded, and next to short fields."""
    odd_lines = []
    pools = {1: _TIMES, 4: _AMOUNTS} | dict.fromkeys((0, 2, 3, 5, 6), _NUMBERS)
    for place, values in pools.items():
        for value in values:
            for text in (value, f" {value}", f"{value}  "):
                row = list(_GOOD_ROW)
                row[place] = text.encode()
                odd_lines.append(b",".join(row))
                short = [
                    b"1" if i in (0, 2, 3, 5, 6) and i != place else f for i, f in enumerate(row)
                ]
                odd_lines.append(b",".join(short))
    for fraud in _LABEL_VALUES:
        odd_lines += [
            b",".join([*_GOOD_ROW[:7], fraud.encode(), scenario.encode()])
            for scenario in _LABEL_VALUES
        ]
    for octet in range(256):
        for place in range(19):
            when = bytearray(_GOOD_ROW[1])
            when[place] = octet
            if octet != ord("\n"):
                odd_lines.append(b",".join([_GOOD_ROW[0], bytes(when), *_GOOD_ROW[2:]]))
    return odd_lines


def _one_of(values: list[str]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([value.encode() for value in values])


def _usually(
    good: st.SearchStrategy[bytes], odd: st.SearchStrategy[bytes]
) -> st.SearchStrategy[bytes]:
    return st.integers(0, 5).flatmap(lambda roll: good if roll else odd)


_SMALL = st.integers(0, 9).map(lambda n: str(n).encode())
_IDS = st.integers(0, 40).map(lambda n: str(n).encode())
_GOOD_TIMES = st.sampled_from(
    [b"2019-08-22 06:51:03", b"2019-08-23 00:00:00", b"2019-08-22 24:00:00"]
)
_GOOD_AMOUNTS = st.sampled_from([b"57.16", b"57.160", b"57.155", b"8.5", b"12", b"10.00"])
_LABELS = st.sampled_from([(b"0", b"0"), (b"1", b"1"), (b"1", b"3"), (b"0", b"2"), (b"2", b"0")])
_ODD_LABELS = st.tuples(_one_of(_NUMBERS), _one_of(_NUMBERS))


@st.composite
def _rows(draw: st.DrawFn) -> bytes:
    fraud, scenario = draw(st.integers(0, 5).flatmap(lambda r: _LABELS if r else _ODD_LABELS))
    fields = [
        draw(_usually(_IDS, _one_of(_NUMBERS))),
        draw(_usually(_GOOD_TIMES, _one_of(_TIMES))),
        draw(_usually(_SMALL, _one_of(_NUMBERS))),
        draw(_usually(_SMALL, _one_of(_NUMBERS))),
        draw(_usually(_GOOD_AMOUNTS, _one_of(_AMOUNTS))),
        draw(_usually(_IDS, _one_of(_NUMBERS))),
        draw(_usually(_SMALL, _one_of(_NUMBERS))),
        fraud,
        scenario,
    ]
    return b",".join(fields)


_PIECES = [b"", b" ", b",", b"\r", b"\0", b'"', b"\xff", b"\xc3\xa9", b"7"]


@st.composite
def _damaged_rows(draw: st.DrawFn) -> bytes:
    """A row with a few bytes replaced, inserted or taken out."""
    row = bytearray(draw(_rows()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(row) - 1, 0)))
        piece = draw(
            st.sampled_from([b"", b" ", b",", b"\r", b"\0", b'"', b"\xff", b"\xc3\xa9", b"7"])
        )
        row[place : place + draw(st.integers(0, 2))] = piece
    return bytes(row)


_OTHERS = st.one_of(
    st.sampled_from(
        [b"", b" ", b"   ", b"\r", b"#", b"# a,b", b" # x", b",,,,,,,,", b"," * 9, HEADER]
    ),
    st.binary(max_size=60),
    st.sampled_from([HEADER[2:].replace(b" | ", b","), b"\xef\xbb\xbf5", b"\t", b"5\r\r"]),
)

lines = st.one_of(_rows(), _rows(), _rows(), _damaged_rows(), _OTHERS).map(
    lambda line: line.replace(b"\n", b"")
)
"""One line without its line ending; ids repeat often."""

endings = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])


@st.composite
def texts(draw: st.DrawFn, max_lines: int = 60) -> bytes:
    """A drop's text: header, lines with mixed endings, with or without the last one."""
    body = draw(st.lists(st.tuples(lines, endings), max_size=max_lines))
    text = b"".join(line + ending for line, ending in body)
    last = draw(st.one_of(st.just(b""), lines))
    return HEADER + draw(endings) + text + last
