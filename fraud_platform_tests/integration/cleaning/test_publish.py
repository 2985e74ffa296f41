"""Publishing drops with real Spark and Delta: rows, orders of landing, held drops."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import drop as drop_module
from fraud_platform.cleaning import publish as publish_module
from fraud_platform.cleaning.drop import CleanedDrop, clean_text
from fraud_platform.contracts.tables import DROP_LABELS, QUARANTINE, TRANSACTIONS
from fraud_platform.errors import (
    DropChangedError,
    DropHeaderError,
    DropUnreadableError,
    NotHeldError,
)
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles import nasty_lines
from fraud_platform_tests.oracles.drop_text import HEADER, Publish, row, text
from fraud_platform_tests.oracles.lake_tables import (
    assert_equals_oracle,
    clean_rows,
    everything,
    ledger,
    quarantined_rows,
)

A, B, C = "2019-08-22", "2019-09-21", "2019-10-21"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def collect_nasty_lines(examples: int) -> list[bytes]:
    """Return many lines that hypothesis makes up, for one drop."""
    collected: list[bytes] = []

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(nasty_lines.lines, min_size=10, max_size=20))
    def collect(lines: list[bytes]) -> None:
        collected.extend(lines)

    collect()
    return collected


def test_nasty_overlapping_drops_equal_the_oracle_in_every_order_of_landing(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_module, "RANGE_BYTES", 40_000)
    lines = collect_nasty_lines(150)
    third = len(lines) // 3
    drops = {
        name: nasty_lines.HEADER + ending + ending.join(lines[i * third : (i + 1) * third])
        for i, (name, ending) in enumerate({A: b"\n", B: b"\r\n", C: b"\n"}.items())
    }
    expected = oracle.clean_drops(drops)
    for order in ([A, B, C], [C, B, A]):
        lake = Lake(str(tmp_path / "".join(order)))
        for name in order:
            publish(name, drops[name], lake=lake)
        assert_equals_oracle(lake, expected)


def test_landing_an_earlier_drop_rewrites_later_ones_and_their_labels_follow(
    publish: Publish, lake: Lake, tmp_path: Path
) -> None:
    drops = {
        A: text(row(1), row(2), row(3)),
        B: text(row(3), row(4, label=1), row(2, 9)),
        C: text(row(9)),
    }
    outcomes = [publish(name, drops[name]) for name in (C, B, A)]
    assert [outcome.rewritten_drops for outcome in outcomes] == [(), (), (B,)]
    assert_equals_oracle(lake, oracle.clean_drops(drops))
    owners = {
        row["transaction_id"]: row["drop"] for row in lake.read_arrow(DROP_LABELS).to_pylist()
    }
    assert owners == {1: A, 2: A, 3: A, 4: B, 9: C}


def test_replacing_a_drop_gives_later_drops_their_rows_back(publish: Publish, lake: Lake) -> None:
    publish(A, text(row(1), row(2)))
    publish(B, text(row(2), row(3)))
    assert [r[0] for r in clean_rows(lake, B)] == [3]
    outcome = publish(A, text(row(1), row(7)))
    assert outcome.rewritten_drops == (B,)
    assert_equals_oracle(
        lake, oracle.clean_drops({A: text(row(1), row(7)), B: text(row(2), row(3))})
    )


def test_publishing_twice_equals_publishing_once(publish: Publish, lake: Lake) -> None:
    publish(A, text(row(1), row(1, 2), row(2), b"bad\n"))
    publish(B, text(row(2), row(3)))
    once = everything(lake)
    publish(A)
    publish(B)
    assert everything(lake) == once


def test_a_commit_replaces_one_drop_and_no_other(publish: Publish, lake: Lake) -> None:
    publish(A, text(row(1)))
    publish(C, text(row(3)))
    files = {f["path"] for f in lake.data_files(TRANSACTIONS).to_pylist()}
    publish(B, text(row(2)))
    assert files < {f["path"] for f in lake.data_files(TRANSACTIONS).to_pylist()}


def test_a_drop_above_the_limit_is_held_and_released_by_accepting_it(
    publish: Publish, lake: Lake
) -> None:
    content = text(row(1), row(2), b"bad\n")
    held = publish(A, content, max_quarantined_share=0.3)
    assert not held.is_published
    assert "1 of 3 rows (33.33%)" in held.ledger["held_because"]
    assert "malformed_row 1" in held.ledger["held_because"]
    assert clean_rows(lake, A) == []
    assert lake.read_arrow(DROP_LABELS).num_rows == 0
    assert quarantined_rows(lake, A).total() == 1
    released = publish(A, max_quarantined_share=0.3, accepted_because="known outage")
    assert released.is_published
    assert released.ledger["accepted_because"] == "known outage"
    assert_equals_oracle(lake, oracle.clean_drops({A: content}))
    assert publish(A, max_quarantined_share=0.3).is_published


def test_a_persons_word_releases_the_held_content_and_no_other(
    publish: Publish, lake: Lake
) -> None:
    content = text(row(1), row(2), b"bad\n")
    word = {"max_quarantined_share": 0.3, "accepted_because": "known outage"}
    with pytest.raises(NotHeldError, match="found it never cleaned"):
        publish(A, content, **word)
    publish(A, content, max_quarantined_share=0.3)
    with pytest.raises(NotHeldError, match=r"expected the held content .*arrived later"):
        publish(A, text(row(1), b"half of an up"), **word)
    assert ledger(lake)[A]["status"] == "held"
    assert publish(A, content, **word).is_published
    assert publish(A, content, **word).is_published  # a run that is tried again
    with pytest.raises(NotHeldError, match="found it published"):
        publish(A, content, **word | {"accepted_because": "another reason"})


def test_a_raw_file_that_is_not_what_its_manifest_says_is_refused(
    publish: Publish, lake: Lake
) -> None:
    with pytest.raises(DropUnreadableError, match=r"expected SHA-256 abc.*Materialize raw_drops"):
        publish(A, text(row(1)), content_sha256="abc")
    assert ledger(lake) == {}


def test_a_raw_file_replaced_while_it_is_cleaned_publishes_nothing(
    publish: Publish, lake: Lake, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(A, text(row(1)))
    before = everything(lake)

    def clean_and_replace(*args: Any) -> CleanedDrop:
        cleaned = clean_text(*args)
        (raw / f"{A}.txt").write_bytes(text(row(3)))
        return cleaned

    monkeypatch.setattr(publish_module, "clean_text", clean_and_replace)
    with pytest.raises(DropChangedError, match="replaced while it was cleaned"):
        publish(A, text(row(2)))
    assert everything(lake) == before


def test_a_held_replacement_leaves_what_is_published_as_it_was(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1), b"bad\n"))
    before = everything(lake)
    outcome = publish(A, text(b"bad\n", b"worse\n", row(5)), max_quarantined_share=0.5)
    assert outcome.status == "held"
    after = everything(lake)
    for name in ("transactions", "quarantine", "drop_labels"):
        assert after[name] == before[name]
    mark = after["ledger"][A]
    assert (mark["rows_read"], mark["status"]) == (3, "held")
    assert mark["published_sha256"] == before["ledger"][A]["content_sha256"]


def test_an_earlier_drop_waits_where_the_published_content_of_a_later_one_is_gone(
    publish: Publish, lake: Lake
) -> None:
    publish(B, text(row(1), row(2)))
    publish(B, text(b"bad\n"), max_quarantined_share=0.5)
    before = everything(lake)
    with pytest.raises(DropUnreadableError, match=f"Publish or accept {B} as it is now"):
        publish(A, text(row(2), row(3)))
    assert everything(lake) == before


def test_copies_in_another_drop_never_hold_a_drop_that_is_published(
    publish: Publish, lake: Lake
) -> None:
    publish(B, text(row(1), row(2)), max_quarantined_share=0.0)
    publish(A, text(row(1), row(2), row(3)), max_quarantined_share=0.0)
    assert {drop: mark["status"] for drop, mark in ledger(lake).items()} == {
        A: "published",
        B: "published",
    }
    assert ledger(lake)[B]["rejected_duplicate_id"] == 2
    publish(B, max_quarantined_share=0.0)
    assert ledger(lake)[B]["status"] == "published"


@pytest.mark.parametrize(
    ("content", "suffix", "error", "words"),
    [
        (b"", "", DropUnreadableError, "empty file"),
        (HEADER, "", DropUnreadableError, "expected data rows"),
        (HEADER + b"\n# x\n \n", "", DropUnreadableError, "expected data rows"),
        (row(1), "", DropHeaderError, "the header is missing"),
        (bytes(range(256)) * 40, "", DropHeaderError, "the header is missing"),
        (HEADER.replace(b" | tx_fraud_s", b" | fraud_s"), "", DropHeaderError, "'fraud_scenario'"),
        (
            gzip.compress(text(*map(row, range(2000))))[:-30],
            ".gz",
            DropUnreadableError,
            "truncated",
        ),
        (
            lzma.compress(text(*map(row, range(2000))))[:-30],
            ".xz",
            DropUnreadableError,
            "truncated",
        ),
        (
            zstandard.compress(text(*map(row, range(2000))))[:-30],
            ".zst",
            DropUnreadableError,
            "trunc",
        ),
        (b"\x1f\x8b" + b"garbage" * 99, ".gz", DropUnreadableError, "damaged"),
        (b"garbage" * 99, ".xz", DropUnreadableError, "damaged"),
        (b"", ".zst", DropUnreadableError, "2019-08-22.txt.zst"),
    ],
)
def test_unusable_drops_end_in_a_named_error_and_touch_nothing(
    publish: Publish, lake: Lake, content: bytes, suffix: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        publish(A, content, suffix=suffix)
    assert ledger(lake) == {}
    assert not list(Path(lake.url).rglob("*.parquet"))
    assert not list(Path(lake.url, "_scratch").rglob("*"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_drops_equal_plain_ones(publish: Publish, lake: Lake, suffix: str) -> None:
    content = text(row(1), row(1, 2), b"bad\xff\n", row(2)) + b"tail\r"
    publish(A, PACKERS[suffix](content), suffix=suffix)
    assert_equals_oracle(lake, oracle.clean_drops({A: content}))
    assert not list(Path(lake.url, "_scratch").rglob("*"))


@pytest.mark.parametrize(
    "content",
    [
        text(*[row(7)] * 3000),
        text(*[row(n % 50, n % 28 + 1) for n in range(3000)]),
        text(*[b"\x00\xff,\n"] * 3000),
        text(*[row((n * 6_364_136_223_846_793_005 + 1) % 10**18) for n in range(3000)]),
        b"\xef\xbb\xbf"
        + text(row(1), b'"2",2019-09-01 10:00:00,1,2,5,0,0,0,0\r\n', b"x" * 10_000_000),
    ],
    ids=["one id", "fifty ids", "only bad rows", "random ids", "a line of 10 MB"],
)
def test_hostile_drops_equal_the_oracle(
    publish: Publish, lake: Lake, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_module, "RANGE_BYTES", len(content) // 3)
    publish(A, content)
    assert_equals_oracle(lake, oracle.clean_drops({A: content}))


def test_more_shared_ids_than_can_be_named_are_judged_all_the_same(
    publish: Publish, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_module, "MAX_SHARED_IDS", 5)
    monkeypatch.setattr(drop_module, "MAX_ID_GROUPS", 0)
    drops = {
        A: text(*[row(n % 40, n % 3 + 1) for n in range(100)]),
        B: text(*[row(n) for n in range(30, 60)]),
    }
    for name, content in drops.items():
        publish(name, content)
    assert_equals_oracle(lake, oracle.clean_drops(drops))


def test_more_rows_than_fit_in_one_process_are_compared_and_judged_in_spark(
    publish: Publish, lake: Lake, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_module, "MAX_SUSPECT_BYTES", 0)
    monkeypatch.setattr(drop_module, "MAX_ID_GROUPS", 0)
    monkeypatch.setattr(drop_module, "RANGE_BYTES", 1000)
    content = text(*[row(n * n % 97, n % 3 + 1) for n in range(200)])
    publish(A, content)
    assert_equals_oracle(lake, oracle.clean_drops({A: content}))


def test_the_quarantine_keeps_raw_bytes_of_copies(publish: Publish, lake: Lake) -> None:
    odd = b" 1 ,2019-08-31 24:00:00,1,2,5.004,0,0,0,0\r"
    first = b"1,2019-09-01 00:00:00,01,2,5.0,0,0,0,0"
    publish(A, HEADER + odd + b"\n" + first + b"\n" + odd[:-1])
    lines = lake.read_arrow(QUARANTINE).to_pylist()
    assert sorted((r["reason"], r["raw_line"]) for r in lines) == [
        ("duplicate_id", odd[:-1]),
        ("duplicate_id", first),
    ]
    assert ledger(lake)[A]["repaired_midnight_24h"] == 1
