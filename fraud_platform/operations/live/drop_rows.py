"""Rows of drops, to be replayed as a live stream.

Here: the clean rows of a published drop or of a file, in stream order. Rows of a source with its
own columns also have the texts of the drop, because messages are made from these.
Not here: sending them (`operations.live.produce`), their messages (`fraud_platform.simulation`).
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.block_readers import BlockReader, TextBlock
from fraud_platform.cleaning.declared_blocks import DeclaredReader
from fraud_platform.cleaning.raw_text import RawText, UnpackLimits, open_text
from fraud_platform.contracts.active import DATA_SET, SOURCE
from fraud_platform.contracts.tables import CLEANING_LEDGER, TRANSACTIONS
from fraud_platform.errors import DropUnreadableError, NotEnoughDataError
from fraud_platform.rows.canonical import MICROS_PER_SECOND
from fraud_platform.rows.formats import Lines
from fraud_platform.rows.lines import TextRange
from fraud_platform.settings import Settings
from fraud_platform.simulation.declared_stream import rows_of_texts
from fraud_platform.simulation.stream import stream_order

COLUMNS = (
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "amount_cents",
    "is_fraud",
    "fraud_scenario",
)
LATEST = "latest"
"""The option's word for the last published drop."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLE = f"--drop path/to/{SOURCE.drops.name.format(day='2018-06-30')}"


def load_rows(
    settings: Settings, drop: str, limit: int | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of a published drop, or of a file if `drop` is a path.

    Args:
        settings: where the lake is, and how much text a packed drop may have.
        drop: its day, `latest` for the last published one, or a path.
        limit: the maximum number of rows.

    Returns:
        Rows in stream order, and lines that report what was left out.
    """
    lines = []
    if drop == LATEST:
        drop = _latest_drop(Lake(settings.lake))
        lines = [f"the latest published drop is {drop}"]
    unpacking = UnpackLimits.from_settings(settings)
    if _DAY.fullmatch(drop):
        rows, skipped = rows_of_drop(Lake(settings.lake), drop, unpacking)
    else:
        rows, skipped = rows_of_file(Path(drop), unpacking)
    lines += [f"left out: {count:,} rows ({why})" for why, count in sorted(skipped.items())]
    return rows.head(limit or sys.maxsize), lines


def _latest_drop(lake: Lake) -> str:
    """Return the name of the last published drop.

    Raises:
        NotEnoughDataError: no drop is published.
    """
    rows = lake.read_arrow(CLEANING_LEDGER, columns=["drop", "published_sha256"]).to_pylist()
    published = [row["drop"] for row in rows if row["published_sha256"]]
    if not published:
        raise NotEnoughDataError(
            "--drop latest: expected a published drop, found none. Put one into landing (the demo "
            f"does), or name a file: {_EXAMPLE}"
        )
    return str(max(published))


def rows_of_drop(
    lake: Lake, drop: str, unpacking: UnpackLimits
) -> tuple[pl.DataFrame, Counter[str]]:
    """Return a published drop's rows in stream order, and the numbers of rows left out by reason.

    Raises:
        NotEnoughDataError: the lake holds no row of that drop.
        DropUnreadableError: its raw file is gone, of a source with its own columns.
    """
    if DATA_SET.fits_fast_parser:
        found = lake.read_arrow(TRANSACTIONS, [("drop", "=", drop)], list(COLUMNS))
        if found.num_rows:
            return stream_order(pl.DataFrame(found)), Counter()
    else:
        ledger = lake.read_arrow(CLEANING_LEDGER, [("drop", "=", drop)], ["published_path"])
        for path in filter(None, ledger["published_path"].to_pylist()):
            return _read(path, unpacking)
    raise NotEnoughDataError(
        f"drop {drop}: expected its clean rows in the lake, found none. Clean it first (put it "
        f"into landing), or name a file: {_EXAMPLE}"
    )


def rows_of_file(path: Path, unpacking: UnpackLimits) -> tuple[pl.DataFrame, Counter[str]]:
    """Return a drop file's clean rows in stream order, and the numbers of lines left out by reason.

    Of rows with the same id the first in stream order is kept.

    Raises:
        DropUnreadableError, DropHeaderError: as in cleaning.
        NotEnoughDataError: no row is clean.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise DropUnreadableError(
            f"--drop {path}: expected a published drop (YYYY-MM-DD, or latest) or a drop's file, "
            f"found {found} of that name. `fraud-platform status` names the published drops."
        )
    return _read(str(path.absolute()), unpacking)


def _read(url: str, unpacking: UnpackLimits) -> tuple[pl.DataFrame, Counter[str]]:
    skipped: Counter[str] = Counter()
    with _opened(url, unpacking) as (text, file):
        start = text.header.body_offset
        blocks = text.reader.blocks(file, TextRange(text.url, start, text.size_bytes, start))
        frames = [_clean_rows(block, text.reader, skipped) for block in blocks]
    rows = stream_order(pl.concat(frames)) if frames else pl.DataFrame()
    if rows.is_empty():
        raise NotEnoughDataError(f"{url}: expected clean rows, found none. Check its content.")
    first = rows.unique("transaction_id", keep="first", maintain_order=True)
    if copies := rows.height - first.height:
        skipped["repeated id"] += copies
    return first, skipped


@contextmanager
def _opened(url: str, unpacking: UnpackLimits) -> Iterator[tuple[RawText, IO[bytes]]]:
    files = ByteFiles()
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_text(files, url, scratch, unpacking) as text,
        files.open_input(text.url) as file,
    ):
        yield text, file


def _clean_rows(block: TextBlock, reader: BlockReader, skipped: Counter[str]) -> pl.DataFrame:
    """Return a block's clean rows and count the other ones."""
    if isinstance(reader, DeclaredReader):
        return _with_texts(block, reader, skipped)
    read = reader.read(block, None)
    if read.bad.reasons:
        skipped["not clean"] += len(read.bad.reasons)
    rows = read.rows
    return pl.DataFrame(
        {
            "transaction_id": rows.transaction_id,
            "tx_datetime": rows.seconds * MICROS_PER_SECOND,
            "customer_id": rows.customer_id,
            "terminal_id": rows.terminal_id,
            "amount_cents": rows.amount_cents,
            "is_fraud": rows.scenario != 0,
            "fraud_scenario": rows.scenario.astype(np.int32),
        },
        schema_overrides={"tx_datetime": pl.Datetime("us", "UTC")},
    )


def _with_texts(block: TextBlock, reader: DeclaredReader, skipped: Counter[str]) -> pl.DataFrame:
    assert isinstance(block, Lines)
    divided = reader.divider.divide(block, reader.source.columns)
    is_text = np.ones(len(divided.numbers), np.bool_)
    is_text[divided.not_text] = False
    texts = {name: column.filter(pl.Series(is_text)) for name, column in divided.columns.items()}
    rows, wrong = rows_of_texts(reader.source, texts)
    wrong += len(divided.malformed) + len(divided.not_text)
    if wrong:
        skipped["not clean"] += wrong
    return rows
