"""Headers of declared sources: names in any order, and every wrong one is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fraud_platform.cleaning.declared_header import read_declared_header
from fraud_platform.contracts.data_set import DropFormat, SourceSpec
from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.datasets.handbook import DATA_SET
from fraud_platform.errors import DropHeaderError, DropUnreadableError


def source(drops: DropFormat) -> SourceSpec:
    return replace(DATA_SET.source, drops=drops)


CSV = source(DropFormat("csv", "{day}.csv", ";"))
TEXT = source(DropFormat("text", "{day}.txt", "\t"))
JSON = source(DropFormat("json_lines", "{day}.jsonl"))
USED = CSV.columns


@pytest.mark.parametrize("names", [USED, USED[::-1], ("more", *USED, "", "more")])
def test_columns_stand_in_any_order_among_further_ones(names: tuple[str, ...]) -> None:
    quoted = ";".join(f'"{name}"' for name in names).encode()
    for start in (b"", b"\xef\xbb\xbf", b"\n \n"):
        header = read_declared_header(start + quoted + b"\r\n1;2;3\n", "f", CSV)
        assert header.names == names
        assert header.body_offset == len(start) + len(quoted) + 2
        assert header.blank_lines == start.count(b"\n")
    header = read_declared_header(" \t".join(names).encode(), "f", TEXT)
    assert header.names == names


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (";".join(USED) + "\r1;2", ["'tx_fraud_scenario' is missing"]),
        (";".join(USED[1:]), [f"{USED[0]!r} is missing", "found 6:"]),
        (";".join(USED).replace("tx_amount", "Tx_Amount"), ["'Tx_Amount' is there"]),
        (";".join((*USED, "tx_amount")), ["'tx_amount' occurs 2 times"]),
        (";".join(USED).replace("customer_id", "cust"), ["'cust' is not declared"]),
        (",".join(USED), ["the header is missing"]),
        ("17;2019-08-22 06:51:03;596;3156;57.16;0;0", ["the header is missing", "6 numbers"]),
    ],
)  # fmt: skip
def test_a_wrong_header_is_refused_with_every_difference(line: str, words: list[str]) -> None:
    with pytest.raises(
        DropHeaderError, match=r"f.csv: expected the columns transaction_id"
    ) as caught:
        read_declared_header(line.encode() + b"\n1;2\n", "f.csv", CSV)
    message = str(caught.value)
    assert "Fix the file or the declaration" in message
    for word in words:
        assert word in message
    assert "596" not in message


def test_a_commented_header_has_the_declared_order() -> None:
    declared = source(DropFormat("text", "{day}.txt", header="commented", names=COLUMNS))
    header = read_declared_header(f"# {' | '.join(COLUMNS)}\n".encode(), "f", declared)
    assert header.names == COLUMNS
    swapped = (*COLUMNS[:2], COLUMNS[3], COLUMNS[2], *COLUMNS[4:])
    with pytest.raises(DropHeaderError, match="column 3 is 'terminal_id', not 'customer_id'"):
        read_declared_header(",".join(swapped).encode(), "f", declared)
    with pytest.raises(DropHeaderError, match="expected the 9 columns"):
        read_declared_header(",".join((*COLUMNS, "more")).encode(), "f", declared)


def test_json_objects_must_have_the_declared_names() -> None:
    line = ",".join(f'"{name}": 1' for name in USED)
    header = read_declared_header(b"\xef\xbb\xbf{" + line.encode() + b"}", "f", JSON)
    assert (header.body_offset, header.is_line) == (3, False)
    wrong = line.replace("tx_amount", "TX_AMOUNT")
    with pytest.raises(DropHeaderError, match=r"none of tx_amount .*'TX_AMOUNT' is there"):
        read_declared_header(f"{{{wrong}}}\n".encode(), "f", JSON)
    with pytest.raises(DropHeaderError, match="no JSON object among"):
        read_declared_header(b"1;2;3\n", "f", JSON)
    with pytest.raises(DropUnreadableError, match="an empty file"):
        read_declared_header(b"", "f", JSON)
