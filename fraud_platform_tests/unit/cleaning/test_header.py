"""The header's accepted forms, and what is said of every other first line."""

from __future__ import annotations

import gzip
import lzma

import pytest
import zstandard

from fraud_platform.cleaning.header import read_header
from fraud_platform.errors import DropHeaderError, DropUnreadableError

ORIGINAL = (
    b"# tranaction_id | tx_datetime | customer_id | terminal_id | tx_amount | tx_time_seconds "
    b"| tx_time_days | tx_fraud | tx_fraud_scenario"
)
CORRECTED = ORIGINAL.replace(b"tranaction", b"transaction")
BARE = ORIGINAL.removeprefix(b"# ")
COMMAS = CORRECTED.removeprefix(b"# ").replace(b" | ", b",")


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "line",
    [ORIGINAL, CORRECTED, BARE, COMMAS, b"#" + COMMAS, BARE.replace(b" ", b""), b"  " + COMMAS],
)
def test_every_form_of_the_contract_is_accepted(line: bytes, ending: bytes, bom: bytes) -> None:
    head = bom + line + ending
    header = read_header(head + b"0,2019-08-22 06:51:03,0,711,70.91,24663,0,0,0\n", "f")
    assert (header.body_offset, header.blank_lines) == (len(head), 0)


def test_rows_behind_a_good_header_say_nothing_of_it() -> None:
    strange = ";\t\0".join(COMMAS.decode()).encode()
    assert read_header(ORIGINAL + b"\n" + strange, "f").body_offset == len(ORIGINAL) + 1


def test_blank_lines_before_the_header_are_counted() -> None:
    head = b"\r\n  \n" + ORIGINAL + b"\n"
    header = read_header(head, "f")
    assert (header.body_offset, header.blank_lines) == (len(head), 2)


def test_a_header_that_the_file_ends_with_is_accepted() -> None:
    assert read_header(ORIGINAL, "f").body_offset == len(ORIGINAL)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            ORIGINAL.replace(b" | tx_fraud_scenario", b""),
            ["found 8", "'tx_fraud_scenario' is missing"],
        ),
        (ORIGINAL + b" | channel", ["found 10", "'channel' is not a column of the contract"]),
        (
            COMMAS.replace(b"customer_id,terminal_id", b"terminal_id,customer_id"),
            ["column 3 is 'terminal_id', not 'customer_id'", "column 4 is 'customer_id'"],
        ),
        (
            COMMAS.replace(b"tx_amount", b"amount").replace(b"tx_time_days", b"days"),
            [
                "'tx_amount' is missing",
                "'tx_time_days' is missing",
                "'amount' is not",
                "'days' is not",
            ],
        ),
        (COMMAS.replace(b"terminal_id", b"customer_id"), ["'customer_id' occurs 2 times"]),
        (COMMAS.upper(), ["'TX_AMOUNT' is not a column of the contract"]),
        (ORIGINAL.replace(b"|", b";"), ["found 1: semicolons stand in it, where pipes or"]),
        (COMMAS.replace(b",", b"\t"), ["found 1: tabs stand in it, where pipes or commas"]),
        (BARE.replace(b" | ", b"\t|\t"), ["found 9: tabs stand in it"]),
        (b'"' + COMMAS.replace(b",", b'","') + b'"', ["found 9: quotes stand in it"]),
        (COMMAS + b"\r1,2,3", ["a CR without LF stands in it, which ends no line"]),
        (COMMAS + b",b" * 100, ["found 109", "and 80 more"]),
        (b"0,2019-08-22 06:51:03,0,711,70.91,24663,0,0,0", ["the header is missing"]),
        (b"# exported on Monday", ["'tx_fraud' is missing"]),
        (b"\x00\x01\x02\xff" * 10_000, ["the header is missing"]),
        (b" " * (65_536 - len(ORIGINAL)) + ORIGINAL, ["a line that does not end there"]),
        (COMMAS + b"\r1,2,3" * 20_000, ["a line that does not end there (a CR without LF"]),
        (b"\n" * 70_000, ["only blank lines there"]),
        (ORIGINAL.decode().encode("utf-16"), ["found UTF-16 or UTF-32"]),
        (ORIGINAL.decode().encode("utf-16-be"), ["NUL bytes stand in it, as in UTF-16"]),
        (ORIGINAL.decode().encode("utf-32"), ["found UTF-16 or UTF-32"]),
        pytest.param(
            gzip.compress(ORIGINAL, mtime=0),
            ["found a gzip stream, whose name ends with .txt.gz"],
            id="gzip",
        ),
        pytest.param(lzma.compress(ORIGINAL), ["found an xz stream"], id="xz"),
        pytest.param(zstandard.compress(ORIGINAL), ["found a zstd stream"], id="zstd"),
        (b"\n\n \n", ["found only blank lines"]),
    ],
)
def test_other_first_lines_are_refused_with_every_difference(line: bytes, words: list[str]) -> None:
    with pytest.raises(DropHeaderError) as caught:
        read_header((line + b"\n")[:65_536], "2019-08-22.txt")
    message = str(caught.value)
    assert message.startswith("2019-08-22.txt: expected ")
    assert len(message) < 2_000
    assert "move it to rejected/" in message
    for word in words:
        assert word in message


def test_a_refused_first_line_shows_nobodys_transaction() -> None:
    with pytest.raises(DropHeaderError) as caught:
        read_header(b"17,2019-08-22 06:51:03,596,3156,57.16,24663,0,0,0\n", "f")
    assert "596" not in str(caught.value)
    assert "57.16" not in str(caught.value)


def test_an_empty_file_is_unreadable() -> None:
    with pytest.raises(DropUnreadableError, match="found an empty file"):
        read_header(b"", "2019-08-22.txt")


@pytest.mark.parametrize(
    "line",
    [
        b"Jane Doe,Main Street,Springfield,VISA,gold,new,web,no,none",
        b"596,Jane Doe,2019-08-22 06:51:03,57.16,Main Street",
        b"# 17 | 2019-08-22 06:51:03 | Jane Doe | 3156 | 57.16 | 0 | 0 | 1 | 1",
        b"customer_id,Jane Doe,596",
        b"Jane Doe",
    ],
)
def test_a_line_that_is_no_header_is_told_by_its_kinds_and_never_shown(line: bytes) -> None:
    with pytest.raises(DropHeaderError, match="the header is missing") as caught:
        read_header(line + b"\n", "2019-08-22.txt")
    for content in ("Jane", "Doe", "Main", "Springfield", "VISA", "596", "57.16", "3156", "06:51"):
        assert content not in str(caught.value)
    assert "texts" in str(caught.value)
