"""The values of a column of texts: integers, decimals, times, flags.

Here: one function for each kind of field; the common form is read for all rows at once, and another
form row by row.
Not here: what a value means for the row (`rows.declared`).
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.contracts.data_set import Time
from fraud_platform.contracts.drops import FIRST_YEAR, LAST_YEAR
from fraud_platform.contracts.time import SECONDS_PER_DAY, day_number
from fraud_platform.contracts.time_formats import OFFSET, read_moments

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_INTEGER = r"^-?[0-9]{1,18}$"
WORDS = {"1": 1, "true": 1, "t": 1, "yes": 1, "0": 0, "false": 0, "f": 0, "no": 0}
_NOT_FINITE = re.compile(r"nan|-?inf", re.IGNORECASE)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SCIENTIFIC = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_FRACTION = r"^([0-9]+)\.[0-9]+$"
_FIXED_WIDTHS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
_LARGEST = 10**18
_SECONDS_PER_MINUTE = 60
_UNITS = {"s": 1, "ms": 1000, "us": 1_000_000}
_FIRST_SECOND = day_number(date(FIRST_YEAR, 1, 1)) * SECONDS_PER_DAY
_END_SECOND = day_number(date(LAST_YEAR + 1, 1, 1)) * SECONDS_PER_DAY
_MIDNIGHT = "24:00:00"


@dataclass(frozen=True)
class Read:
    """A column's values, of shape (n,).

    Attributes:
        values: 0 where there is none.
        bad: whether the field is no such value.
        missing: whether it is empty, or outside of the values that can be stored.
    """

    values: Ints
    bad: Flags
    missing: Flags


def trimmed(column: pl.Series) -> pl.Series:
    """Return the texts without spaces at both ends; null for an empty one."""
    stripped = column.str.strip_chars(" ")
    return stripped.set(stripped == "", None)


def read_integers(column: pl.Series) -> Read:
    """Read integers of up to 18 digits."""
    missing = column.is_null().to_numpy()
    fits = column.str.contains(_INTEGER).fill_null(value=False)
    values = column.set(~fits, None).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    return Read(values.copy(), ~(fits.to_numpy() | missing), missing)


def read_decimals(column: pl.Series, digits: int, *, exponents: bool = False) -> tuple[Read, Flags]:
    """Read decimal numbers as integers of 10 ** -digits; further decimals are rounded half up.

    Not a number and infinity count as missing, as they do in the contract of drops.

    Args:
        digits: decimals that are kept.
        exponents: whether a number may be written as 5e-06, as Python and pandas write small ones.

    Returns:
        The values, and whether each was written with more decimals.
    """
    plain = rf"^-?[0-9]{{1,12}}(\.[0-9]{{1,{digits}}})?$" if digits else r"^-?[0-9]{1,12}$"
    fits = column.str.contains(plain).fill_null(value=False)
    # at most 18 digits: a float64 is within half a unit below 2^52, checked by the pattern's length
    floats = column.set(~fits, None).cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()
    values = np.rint(floats * 10.0**digits).astype(np.int64)
    large = np.abs(values) > 1 << 50
    grammar = _SCIENTIFIC if exponents else _DECIMAL
    bad, missing, rounded = (np.zeros(len(column), np.bool_) for _ in range(3))
    is_other = ~fits.to_numpy() | large
    if is_other.any():
        rounded = _round_longer(column, digits, is_other, values)
        is_other &= ~rounded
    others = np.flatnonzero(is_other)
    texts = column.gather(others).to_list() if len(others) else []
    for place, text in zip(others.tolist(), texts, strict=True):
        if text is None or _NOT_FINITE.fullmatch(text):
            missing[place] = True
        elif not grammar.fullmatch(text):
            bad[place] = True
        else:
            number = Decimal(text).scaleb(digits)
            whole = int(number.to_integral_value(ROUND_HALF_UP))
            missing[place] = abs(whole) > _LARGEST
            rounded[place] = len(text.partition(".")[2]) > digits
            values[place] = 0 if missing[place] else whole
    return Read(values, bad, missing), rounded


def _round_longer(column: pl.Series, digits: int, is_other: Flags, values: Ints) -> Flags:
    """Read the numbers of a plain form with more decimals into `values`; return which these are.

    The first decimal that is not kept decides, and the others change nothing.
    """
    texts = column.filter(pl.Series(is_other))
    pattern = rf"^(-?[0-9]{{1,11}})\.([0-9]{{{digits + 1}}})[0-9]*$"
    fits = texts.str.contains(pattern).fill_null(value=False)
    found = np.zeros(len(column), np.bool_)
    found[np.flatnonzero(is_other)[fits.to_numpy()]] = True
    cut = texts.filter(fits).str.replace(pattern, "${1}${2}")
    numbers = cut.cast(pl.Int64).to_numpy()
    values[found] = np.sign(numbers) * ((np.abs(numbers) + 5) // 10)
    return found


def read_flags(column: pl.Series) -> Read:
    """Read 1, true, t, yes and 0, false, f, no in any case, and other integers as themselves."""
    missing = column.is_null().to_numpy()
    if not missing.any() and column.is_in(["0", "1"]).all():
        return Read((column == "1").to_numpy().astype(np.int64), missing.copy(), missing)
    words = column.str.to_lowercase().replace_strict(WORDS, default=None, return_dtype=pl.Int64)
    integers = read_integers(column)
    is_word = words.is_not_null().to_numpy()
    values = np.where(is_word, words.fill_null(0).to_numpy(), integers.values)
    return Read(values, integers.bad & ~is_word, missing)


def read_times(booked: Time, texts: Mapping[str, pl.Series]) -> tuple[Read, Flags]:
    """Read times as seconds since 1970 UTC; a fraction of a second is cut off.

    Returns:
        The values, and whether each was 24:00:00 of its day, which is 00:00:00 of the next.
    """
    first = texts[booked.columns[0]]
    if booked.epoch is not None:
        read = read_integers(first)
        if read.bad.any():
            read = read_integers(first.str.replace(_FRACTION, "$1"))
        seconds = read.values // _UNITS[booked.epoch]
        return _within_years(seconds, read.bad, read.missing), np.zeros(len(first), np.bool_)
    column = first
    if len(booked.columns) > 1:
        column = first + " " + texts[booked.columns[1]]
    form = booked.format or ""
    seconds, bad = _seconds(column, form, booked.zone)
    missing = column.is_null().to_numpy()
    repaired = np.zeros(len(column), np.bool_)
    if "%H:%M:%S" in form and OFFSET not in form and (bad & ~missing).any():
        _repair_midnights(column, form, booked.zone, seconds, bad, repaired)
    return _within_years(seconds, bad & ~missing, missing), repaired


def _seconds(column: pl.Series, form: str, zone: str) -> tuple[Ints, Flags]:
    """Return the seconds of local times, and whether a text is none."""
    times = read_moments(column, form)
    pattern = _iso_pattern(form)
    if pattern is not None:
        times = times.set(~column.str.contains(pattern).fill_null(value=True), None)
    if zone != "UTC" and OFFSET not in form:
        times = times.dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        ).dt.convert_time_zone("UTC")
    seconds = times.dt.epoch("s")
    bad = seconds.is_null().to_numpy().copy()
    values = seconds.fill_null(0).to_numpy().copy()
    # polars reads second 60 as the next minute's 0
    odd = column.str.contains("60", literal=True).fill_null(value=False).to_numpy()
    for place in np.flatnonzero((values % _SECONDS_PER_MINUTE == 0) & ~bad & odd).tolist():
        bad[place] = not _is_time(column[place], form)
    return values, bad


def _is_time(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it is one
    except ValueError:
        return False
    return True


def _iso_pattern(form: str) -> str | None:
    """Return a pattern of times that are written as ISO 8601 has it, None for another form.

    ISO 8601 writes months, days, hours, minutes and seconds with two digits each, which polars does
    not require.
    """
    if "%Y-%m-%d" not in form:
        return None
    pattern = re.escape(form)
    for directive, digits in _FIXED_WIDTHS.items():
        pattern = pattern.replace(directive, rf"[0-9]{{{digits}}}")
    return None if "%" in pattern else f"^{pattern}$"


def _repair_midnights(
    column: pl.Series, form: str, zone: str, seconds: Ints, bad: Flags, repaired: Flags
) -> None:
    """Read the times of 24:00:00 as 00:00:00 of the next day, in place."""
    pattern = _iso_pattern(form)
    for place in np.flatnonzero(bad).tolist():
        text = column[place]
        if text is None or text.count(_MIDNIGHT) != 1:
            continue
        if pattern is not None and not re.fullmatch(pattern, text):
            continue
        try:
            day = datetime.strptime(text.replace(_MIDNIGHT, "00:00:00"), form)  # noqa: DTZ007 - local time
        except ValueError:
            continue
        local = (day + timedelta(days=1)).replace(tzinfo=zoneinfo.ZoneInfo(zone))
        seconds[place] = int(local.astimezone(UTC).timestamp())
        bad[place], repaired[place] = False, True


def _within_years(seconds: Ints, bad: Flags, missing: Flags) -> Read:
    outside = (seconds < _FIRST_SECOND) | (seconds >= _END_SECOND)
    return Read(np.where(outside, 0, seconds), bad | (outside & ~missing), missing)
