"""Fields of declared columns: times of many formats, numbers, each with its own right value."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.data_set import Time
from fraud_platform.rows.fields import read_decimals, read_times


def seconds_of(booked: Time, text: str) -> datetime | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read, _ = read_times(booked, {"when": pl.Series("when", [text], dtype=pl.String)})
    if read.bad[0] or read.missing[0]:
        return None
    return datetime.fromtimestamp(int(read.values[0]), UTC)


NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("form", "zone", "text", "moment"),
    [
        ("%m/%d/%Y %I:%M:%S %p", NEW_YORK, "03/01/2025 01:05:06 PM", (2025, 3, 1, 18, 5, 6)),
        ("%m/%d/%Y %I:%M %p", NEW_YORK, "07/01/2025 12:05 AM", (2025, 7, 1, 4, 5, 0)),
        ("%m/%d/%Y %I:%M %p", NEW_YORK, "3/1/2025 1:05 pm", (2025, 3, 1, 18, 5, 0)),
        ("%d.%m.%Y %H:%M", "Europe/Berlin", "01.12.2025 00:30", (2025, 11, 30, 23, 30, 0)),
        ("%d.%m.%Y %H:%M", "UTC", "01.12.2025 16:60", None),
        ("%d.%m.%Y %H:%M", "UTC", "01.12.2025 24:00", None),
        ("%Y-%m-%dT%H:%M:%S.%f", "UTC", "2025-03-01T13:05:06.123456", (2025, 3, 1, 13, 5, 6)),
        ("%Y-%m-%dT%H:%M:%S.%fZ", "UTC", "2025-03-01T13:05:06.999Z", (2025, 3, 1, 13, 5, 6)),
        ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2025-03-01T13:05:06+02:00", (2025, 3, 1, 11, 5, 6)),
        ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2025-03-01T13:05:06-0330", (2025, 3, 1, 16, 35, 6)),
        ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2025-03-01T13:05:06Z", (2025, 3, 1, 13, 5, 6)),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "UTC", "2025-03-01T00:30:06.5+01:00", (2025, 2, 28, 23, 30, 6)),
        ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2025-03-01T13:05:06", None),
        ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2025-03-01T24:00:00Z", None),
        ("%m/%d/%Y %I:%M %p", NEW_YORK, "03/09/2025 02:30 AM", None),
        ("%m/%d/%Y %I:%M %p", NEW_YORK, "11/02/2025 01:30 AM", (2025, 11, 2, 5, 30, 0)),
    ],
)
def test_a_time_of_a_format_is_its_moment_of_utc(
    form: str, zone: str, text: str, moment: tuple[int, ...] | None
) -> None:
    expected = None if moment is None else datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]
    assert seconds_of(Time(("when",), form, zone, None), text) == expected


@pytest.mark.parametrize(
    ("unit", "text", "second"),
    [
        ("s", "1740834306", 6), ("s", "1740834306.987", 6), ("ms", "1740834306987", 6),
        ("ms", "1740834306987.0", 6), ("us", "1740834306000001", 6), ("s", "1740834306.", None),
        ("s", "1.740834306e9", None), ("s", ".5", None),
    ],
)  # fmt: skip
def test_a_fraction_of_an_epoch_is_cut_off(unit: str, text: str, second: int | None) -> None:
    moment = seconds_of(Time(("when",), None, "UTC", unit), text)  # type: ignore[arg-type]
    expected = None if second is None else datetime(2025, 3, 1, 13, 5, second, tzinfo=UTC)
    assert moment == expected


@pytest.mark.parametrize(
    ("text", "millionths"),
    [
        ("5e-06", 5), ("5E-7", 1), ("4e-7", 0), ("-1.5e+3", -1_500_000_000), ("0.000005", 5),
        ("1e5", 100_000_000_000), ("1e", None), ("e5", None), ("1e5.5", None), ("1e1000", None),
    ],
)  # fmt: skip
def test_a_small_number_may_have_an_exponent_but_an_amount_has_none(
    text: str, millionths: int | None
) -> None:
    column = pl.Series([text])
    read, _ = read_decimals(column, 6, exponents=True)
    assert (None if read.bad[0] else int(read.values[0])) == millionths
    amount, _ = read_decimals(column, 2)
    assert amount.bad[0] == ("e" in text.lower())


def test_a_number_that_is_too_large_is_missing_not_wrong() -> None:
    read, _ = read_decimals(pl.Series(["1e400", "-9e999"]), 6, exponents=True)
    assert read.missing.all()
    assert not read.bad.any()


_WHOLE = st.integers(0, 10**14).map(str) | st.sampled_from(["0", "00", "7", "99999999999"])
_DECIMALS = st.text("0123456789", max_size=20) | st.sampled_from(["005", "0049999", "5", "995"])
_NUMBERS = st.builds(
    lambda sign, whole, decimals: sign + whole + ("." + decimals if decimals else ""),
    st.sampled_from(["", "-"]), _WHOLE, _DECIMALS,
)  # fmt: skip


@given(st.lists(_NUMBERS, max_size=20), st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_decimals_are_rounded_half_up_on_their_digits(texts: list[str], digits: int) -> None:
    read, rounded = read_decimals(pl.Series([*texts, None, "1e3"], dtype=pl.String), digits)
    exact = [Decimal(text).scaleb(digits).to_integral_value(ROUND_HALF_UP) for text in texts]
    is_stored = [abs(number) <= 10**18 for number in exact]
    assert read.missing.tolist() == [not one for one in is_stored] + [True, False]
    assert read.bad.tolist() == [False] * len(texts) + [False, True]
    for place, (number, one) in enumerate(zip(exact, is_stored, strict=True)):
        assert read.values[place] == (int(number) if one else 0)
        assert rounded[place] == (len(texts[place].partition(".")[2]) > digits)
