"""A Parquet drop as text: one JSON object a row, each value as a text or null.

Here: the text of each type of value, and checking the columns of the file.
Not here: where the text is kept (`raw_text`), reading it (`rows.json_lines`).

A row has no bytes of its own in a Parquet file, so this line is its record in quarantine. Equal
values always give equal texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import IO

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.cleaning.declared_header import missing_columns
from fraud_platform.contracts.data_set import SourceSpec, Time
from fraud_platform.contracts.time_formats import OFFSET
from fraud_platform.errors import DropHeaderError, DropUnreadableError

_BATCH_ROWS = 1 << 15
_ZEROS = re.compile(r"\.?0+$")


def parquet_lines(file: IO[bytes], name: str, source: SourceSpec) -> Iterator[bytes]:
    """Yield the text of a Parquet file.

    Args:
        file: the file, seekable.
        name: its name, for errors.
        source: the declared columns; others are in the text as well.

    Raises:
        DropUnreadableError: the file is no whole Parquet file.
        DropHeaderError: a declared column is missing or given twice.
    """
    try:
        opened = pq.ParquetFile(file)
        _check_columns(opened.schema_arrow.names, name, source)
        names = _unique(opened.schema_arrow.names)
        for batch in opened.iter_batches(_BATCH_ROWS):
            texts = [_texts(column, n, source) for n, column in zip(names, batch, strict=True)]
            yield pl.DataFrame(texts).write_ndjson().encode()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk or the store, not the file's content
        raise DropUnreadableError(
            f"{name}: expected a whole Parquet file, found one that cannot be read ({error}). "
            "Deliver the file again."
        ) from error


def _check_columns(names: list[str], file_name: str, source: SourceSpec) -> None:
    counts = Counter(names)
    problems = [f"{name!r} is missing" for name in missing_columns(names, source)]
    problems += [f"{n!r} occurs {counts[n]} times" for n in source.columns if counts[n] > 1]
    if problems:
        raise DropHeaderError(
            f"{file_name}: expected a Parquet file with {', '.join(source.columns)}, found "
            f"{len(names)} columns: {'; '.join(problems)}. Fix the file or the declaration, or "
            "move the file to rejected/."
        )


def _unique(names: list[str]) -> list[str]:
    """Return the names, of which a repeated one has its place added."""
    counts = Counter(names)
    return [n if counts[n] == 1 else f"{n} ({place})" for place, n in enumerate(names, 1)]


def _texts(column: pa.Array, name: str, source: SourceSpec) -> pl.Series:
    """Return a column's values as texts; lists and structs stay what they are."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode(), name, source)
    if pa.types.is_decimal(kind):
        return _plain(pc.cast(column, pa.string()), name, has_own_zeros=False)
    if pa.types.is_floating(kind):
        wide = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
        return _plain(pc.cast(wide, pa.string()), name, has_own_zeros=True)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pl.Series(name, [_decoded(value) for value in column.to_pylist()], pl.String)
    values = pl.Series(name, column)
    if values.dtype.is_temporal():
        return _moments(values, source.booked)
    return values if values.dtype.is_nested() else values.cast(pl.String)


def _plain(texts: pa.Array, name: str, *, has_own_zeros: bool) -> pl.Series:
    """Return numbers without exponents, and without the zeros that a decimal type adds."""
    found = pl.Series(name, texts)
    odd = found.str.contains("[eE]|^-0$") if has_own_zeros else found.str.contains(r"[E.]")
    if not odd.any():
        return found
    places = odd.fill_null(value=False).arg_true()
    plain = [_expanded(text) for text in found.gather(places).to_list()]
    return found.scatter(places, plain)


def _expanded(text: str) -> str:
    plain = format(Decimal(text), "f")
    plain = _ZEROS.sub("", plain) if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _decoded(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def _moments(values: pl.Series, booked: Time) -> pl.Series:
    """Return times as the declaration writes them, other columns as ISO 8601."""
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        zone = booked.zone if values.name in booked.columns else "UTC"
        values = values.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    if values.name not in booked.columns:
        return values.cast(pl.String)
    if booked.epoch is not None:
        return values.cast(pl.Datetime("us")).dt.epoch(booked.epoch).cast(pl.String)
    form = booked.format or ""
    if OFFSET in form:
        return values.dt.replace_time_zone("UTC").dt.strftime(form)
    if len(booked.columns) > 1:
        first, _, second = form.partition(" ")
        form = first if values.name == booked.columns[0] else second
    return values.dt.strftime(form)
