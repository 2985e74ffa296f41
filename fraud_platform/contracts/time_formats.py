"""Reading local times by a declared format.

Here: `read_moments`, and whether a format can be used at all.
Not here: zones, years and repairs (`rows.fields`), days and hours (`contracts.time`).

A format is written as `strptime` of Python has it. Columns are read by polars, which reads most
directives in the same way: only formats that both read alike are accepted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl
from polars.exceptions import PolarsError

OFFSET = "%z"
"""The directive of a time that names its own offset from UTC; `Z` is an offset of 0."""
_MOMENT = datetime(2019, 11, 28, 21, 43, tzinfo=UTC)
_TRAILING_Z = "Z$"


def read_moments(column: pl.Series, form: str) -> pl.Series:
    """Return the times of texts, null for a text that is none.

    Returns:
        Times of UTC if the format has an offset, otherwise times without a zone.
    """
    if OFFSET in form:
        column = column.str.replace(_TRAILING_Z, "+0000")
    # to polars, %f is a number of nanoseconds, and %.f a fraction after its point
    own = form.replace(".%f", "%.f")
    return column.str.strptime(pl.Datetime("us"), own, strict=False, exact=True)


def is_usable(form: object) -> bool:
    """Return whether a format has year, month, day, hour and minute, and both libraries read it."""
    if not isinstance(form, str):
        return False
    moment = _MOMENT if OFFSET in form else _MOMENT.replace(tzinfo=None)
    try:
        text = moment.strftime(form)
        return (
            datetime.strptime(text, form) == moment  # noqa: DTZ007 - a local time
            and read_moments(pl.Series([text]), form)[0] == moment
        )
    except (ValueError, re.error, PolarsError):
        return False
