"""Vectorized parsing of lines in canonical form.

Here: the fast path for nine-field lines with plain digits, a valid time, an amount with at most
two decimals and a consistent label. It claims a line only if `judge` would find it valid, without
repairs and with the same contents; all other lines are left to `judge`.
Not here: any rule that rejects or repairs (`judge`).

Eight digits at a time are read from one 64-bit word ("SIMD within a register"): they are combined
by multiplication to pairs, then fours, then eights, in numpy over all lines of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.drops import FIRST_YEAR, LAST_YEAR, MAX_AMOUNT_CENTS
from fraud_platform.contracts.time import SECONDS_PER_DAY, SECONDS_PER_HOUR, day_number
from fraud_platform.rows.judge import JudgedRow, read_time
from fraud_platform.rows.lines import FIELDS, LineBlock, PaddedText, Positions

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

MICROS_PER_SECOND = 1_000_000
_SPACE = ord(" ")
_MOST_SPACES = 4
_MOST_DIGITS = 18
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_MOST_ODD_TIMES = 256
"""So many times of a block are judged one by one to sample its days."""
_TRIMMING_SHARE = 0.1
"""If more than this share of a block's rows is not claimed, its fields are trimmed and reparsed."""

_DOT = np.uint64(ord("."))
_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_HIGH = np.uint64(0xF0F0F0F0F0F0F0F0)
KEEP_LAST = np.array([0, *(~((1 << (64 - 8 * n)) - 1) & (2**64 - 1) for n in range(1, 9))], "u8")
"""By length 0 to 8: the mask that keeps a word's last bytes, the last digits of a field."""


def _u64(value: int | bytes) -> np.uint64:
    return np.uint64(value if isinstance(value, int) else int.from_bytes(value, "little"))


def _day_numbers() -> npt.NDArray[np.int32]:
    """Return days since 1970, indexed by two digits each of year - FIRST_YEAR, month and day.

    An index that is not a date has -1.
    """
    numbers = np.full(100 * 100 * 100, -1, np.int32)
    day = date(FIRST_YEAR, 1, 1)
    while day.year <= LAST_YEAR:
        place = ((day.year - FIRST_YEAR) * 100 + day.month) * 100 + day.day
        numbers[place] = day_number(day)
        day += timedelta(days=1)
    return numbers


_DAY_NUMBERS = _day_numbers()


@dataclass
class CleanRows:
    """Columns of clean rows, all of shape (n,); `seconds` and `days` count from 1970 UTC.

    Attributes:
        facts: further int64 columns by `Fact.stored_as`.
    """

    transaction_id: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.int64]
    days: npt.NDArray[np.int32]
    customer_id: npt.NDArray[np.int64]
    terminal_id: npt.NDArray[np.int64]
    amount_cents: npt.NDArray[np.int64]
    scenario: npt.NDArray[np.int32]
    facts: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.transaction_id)

    def where(self, rows: Flags) -> CleanRows:
        """Return the rows with a true flag."""
        if rows.all():
            return self
        return CleanRows(
            self.transaction_id[rows],
            self.seconds[rows],
            self.days[rows],
            self.customer_id[rows],
            self.terminal_id[rows],
            self.amount_cents[rows],
            self.scenario[rows],
            {name: column[rows] for name, column in self.facts.items()},
        )

    def put(self, places: npt.NDArray[np.int64], others: CleanRows) -> None:
        """Replace the rows at some places by other rows."""
        for name, column in vars(self).items():
            if name != "facts":
                column[places] = getattr(others, name)
        for name, column in self.facts.items():
            column[places] = others.facts[name]


def parse_ids(block: LineBlock) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return the ids of a block's nine-field lines, and whether each is plain digits.

    An id that is not plain digits has a meaningless value.
    """
    ids, bad = read_integers(block, block.starts[block.rows], block.field_end(0))
    return ids, ~bad


def parse_canonical(block: LineBlock) -> tuple[CleanRows, Flags]:
    """Parse a block's nine-field lines.

    Returns:
        Columns with one row for each of `block.rows`, and whether each row is claimed. The values
        of unclaimed rows are meaningless.
    """
    ends = [block.field_end(field) for field in range(FIELDS)]
    starts = [block.starts[block.rows], *(end + 1 for end in ends[:-1])]
    rows, is_claimed = _parse_fields(block, starts, ends)
    if np.count_nonzero(~is_claimed) > _TRIMMING_SHARE * len(is_claimed):
        bounds = [_trim(block, *field) for field in zip(starts, ends, strict=True)]
        starts, ends = ([bound[i] for bound in bounds] for i in (0, 1))
        rows, is_claimed = _parse_fields(block, starts, ends)
    return rows, is_claimed


def sample_days(block: LineBlock, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct days of a block's rows, since 1970, and about how many rows have each.

    Of a block with more than `most` rows, so many are looked at, which stand for all of it. They
    lie on it by the golden ratio: evenly, and in step with no period that wrong rows may have.
    """
    size = len(block.rows)
    places = np.arange(min(size, most))
    if size > most:
        places = (places * _GOLDEN_RATIO % 1 * size).astype(np.int64)
    starts, ends = block.field_end(0, places) + 1, block.field_end(1, places)
    if _have_one_date(block, starts, ends):
        first = read_time(block.text[starts[0] : ends[0]])
        if first is not None:
            return np.array([first // SECONDS_PER_DAY]), np.array([size])
    _, days, bad = read_timestamps(block, starts, ends)
    if bad.any():
        starts, ends = _trim(block, starts, ends)
        _, days, bad = read_timestamps(block, starts, ends)
    odd = [
        seconds // SECONDS_PER_DAY
        for place in np.flatnonzero(bad)[:_MOST_ODD_TIMES].tolist()
        if (seconds := read_time(block.text[starts[place] : ends[place]])) is not None
    ]
    found, counts = np.unique(np.append(days[~bad], np.array(odd, np.int64)), return_counts=True)
    return found, np.maximum(counts * size // max(len(places), 1), 1)


def _have_one_date(block: LineBlock, starts: Positions, ends: Positions) -> bool:
    """Return whether all times begin with the same date, as in most blocks, and none is 24:00:00.

    Only the text of the dates and the hours are compared, which is cheaper than to read the times.
    """
    if not len(starts):
        return False
    first_words, last_words = block.words[starts], block.words[starts + 2]
    hours = block.words[starts + 11] & _u64(0xFFFF)
    return bool(
        (first_words == first_words[0]).all()
        and (last_words == last_words[0]).all()
        and (hours != _u64(b"24")).all()
        and (ends - starts == 19).all()
    )


def columns_of_judged(
    rows: Sequence[JudgedRow],
) -> tuple[CleanRows, npt.NDArray[np.int32]]:
    """Return valid rows of `judge` as columns, and the bit masks of their repairs."""
    table = np.array([row[1:] for row in rows], np.int64)
    repairs, ids, seconds, customers, terminals, cents, _, scenarios = table.T
    days = (seconds // SECONDS_PER_DAY).astype(np.int32)
    columns = (ids, seconds, days, customers, terminals, cents, scenarios.astype(np.int32))
    ids, seconds, days, customers, terminals, cents, scenarios = map(np.ascontiguousarray, columns)
    return CleanRows(ids, seconds, days, customers, terminals, cents, scenarios), repairs.astype(
        np.int32
    )


def _trim(block: LineBlock, starts: Positions, ends: Positions) -> tuple[Positions, Positions]:
    """Remove up to `_MOST_SPACES` spaces from both ends; a field with more is not claimed."""
    for _ in range(_MOST_SPACES):
        starts = starts + ((block.octets[starts] == _SPACE) & (starts < ends))
        ends = ends - ((block.octets[ends - 1] == _SPACE) & (starts < ends))
    return starts, ends


def _parse_fields(
    block: LineBlock, starts: list[Positions], ends: list[Positions]
) -> tuple[CleanRows, Flags]:
    ids, bad = read_integers(block, starts[0], ends[0])
    seconds, days, bad_time = read_timestamps(block, starts[1], ends[1])
    customers, bad_customer = read_integers(block, starts[2], ends[2])
    terminals, bad_terminal = read_integers(block, starts[3], ends[3])
    cents, bad_amount = read_amounts(block, starts[4], ends[4])
    bad |= bad_time
    bad |= bad_customer
    bad |= bad_terminal
    bad |= bad_amount
    for number in (5, 6):
        bad |= _are_not_integers(block, starts[number], ends[number])
    fraud = block.octets[starts[7]] - np.uint8(ord("0"))
    scenario = block.octets[starts[8]] - np.uint8(ord("0"))
    bad |= (ends[7] - starts[7] != 1) | (ends[8] - starts[8] != 1)
    bad |= (fraud > 1) | (scenario > 3) | ((scenario != 0) != (fraud == 1))
    rows = CleanRows(ids, seconds, days, customers, terminals, cents, scenario.astype(np.int32))
    return rows, ~bad


def _not_digits(digits: Words) -> Flags:
    """Return whether a word has a byte that is not a digit; `0` is already subtracted from each."""
    return (((digits + _SIXES) | digits) & _HIGH) != 0


def _combine(digits: Words) -> npt.NDArray[np.int64]:
    """Return each word's eight digits as one number; the first byte is the most significant."""
    pairs = (digits * _u64(10) + (digits >> _u64(8))) & _u64(0x00FF00FF00FF00FF)
    fours = (pairs * _u64(100) + (pairs >> _u64(16))) & _u64(0x0000FFFF0000FFFF)
    eights = (fours * _u64(10_000) + (fours >> _u64(32))) & _u64(0xFFFFFFFF)
    return eights.view(np.int64)


def read_integers(
    block: PaddedText, starts: Positions, ends: Positions
) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return the values of fields of 1 to 18 digits, and whether each field is anything else."""
    lengths = ends - starts
    digits = (block.words[ends - 8] ^ _ZEROS) & KEEP_LAST[np.minimum(lengths, 8)]
    bad = _not_digits(digits) | (lengths == 0)
    values = _combine(digits)
    for taken in (8, 16):
        if lengths.max(initial=0) <= taken:
            break
        long = np.flatnonzero(lengths > taken)
        left = np.minimum(lengths[long] - taken, 8)
        digits = (block.words[ends[long] - taken - 8] ^ _ZEROS) & KEEP_LAST[left]
        bad[long] |= _not_digits(digits) | (lengths[long] > _MOST_DIGITS)
        values[long] += _combine(digits) * 10**taken
    return values, bad


def _are_not_integers(block: PaddedText, starts: Positions, ends: Positions) -> Flags:
    """Return the flags of `read_integers`, without the values."""
    lengths = ends - starts
    if lengths.max(initial=0) > 8:
        return read_integers(block, starts, ends)[1]
    digits = (block.words[ends - 8] ^ _ZEROS) & KEEP_LAST[lengths]
    return _not_digits(digits) | (lengths == 0)


def read_amounts(
    block: PaddedText, starts: Positions, ends: Positions
) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return amounts in cents, and whether each field is anything else.

    Read are amounts with at most 8 characters and two decimals, above 0 and within the contract.
    """
    lengths = ends - starts
    words = block.words[ends - 8]
    two = ((words >> _u64(40)) & _u64(0xFF)) == _DOT
    # Remove the dot by shifting the integer part one byte towards the decimals.
    digits = (words & _u64(0xFFFF << 48)) | ((words & _u64((1 << 40) - 1)) << _u64(8))
    scale: npt.NDArray[np.int64] | int = 1
    kept = lengths - 1
    if not two.all():
        one = ((words >> _u64(48)) & _u64(0xFF)) == _DOT
        with_one = (words & _u64(0xFF << 56)) | ((words & _u64((1 << 48) - 1)) << _u64(8))
        digits = np.where(two, digits, np.where(one, with_one, words))
        scale = np.where(two, 1, np.where(one, 10, 100))
        kept = lengths - (two | one)
        shortest = np.where(two, 4, np.where(one, 3, 1))
        bad = lengths < shortest
    else:
        bad = lengths < 4
    bad |= lengths > 8
    digits = (digits ^ _ZEROS) & KEEP_LAST[np.clip(kept, 0, 8)]
    cents = _combine(digits) * scale
    bad |= _not_digits(digits) | (cents <= 0) | (cents > MAX_AMOUNT_CENTS)
    return cents, bad


_DATE_TEXT = _u64(b"0000-00-")
_DATE_SLACK = _u64(b"\x06\x06\x06\x06\x0f\x06\x06\x0f")
_DAY_TEXT = _u64(b"\0\0\0\0\x0000 ")
_DAY_SLACK = _u64(b"\0\0\0\0\0\x06\x06\x0f")
_DAY_MASK = _u64(b"\0\0\0\0\0\xff\xff\xff")
_TIME_TEXT = _u64(b"00:00:00")
_TIME_SLACK = _u64(b"\x06\x06\x0f\x06\x06\x0f\x06\x06")
"""Adding `SLACK` overflows a byte's low half unless it is a digit (6) or the literal (15)."""


def read_timestamps(
    block: PaddedText, starts: Positions, ends: Positions
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Flags]:
    """Return seconds and days since 1970, and whether a field is not `YYYY-MM-DD HH:MM:SS`."""
    bad = ends - starts != 19
    dates = block.words[starts] ^ _DATE_TEXT
    day_words = (block.words[starts + 3] ^ _DAY_TEXT) & _DAY_MASK
    times = block.words[starts + 11] ^ _TIME_TEXT
    wrong = ((dates + _DATE_SLACK) | dates | (day_words + _DAY_SLACK) | day_words) & _HIGH
    wrong |= ((times + _TIME_SLACK) | times) & _HIGH
    bad |= wrong != 0
    dates = dates * _u64(10) + (dates >> _u64(8))
    day_words = day_words * _u64(10) + (day_words >> _u64(8))
    times = times * _u64(10) + (times >> _u64(8))
    century = _byte(dates, 0)
    place = _byte(dates, 2) * 10_000 + _byte(dates, 5) * 100 + _byte(day_words, 5)
    days = _DAY_NUMBERS[np.minimum(place, len(_DAY_NUMBERS) - 1)]
    hours, minutes, seconds = _byte(times, 0), _byte(times, 3), _byte(times, 6)
    bad |= (century != FIRST_YEAR // 100) | (days < 0)
    bad |= (hours > 23) | (minutes > 59) | (seconds > 59)
    of_day = hours * SECONDS_PER_HOUR + minutes * 60 + seconds
    return days.astype(np.int64) * SECONDS_PER_DAY + of_day, days, bad


def _byte(words: Words, place: int) -> npt.NDArray[np.int64]:
    return ((words >> _u64(8 * place)) & _u64(0xFF)).view(np.int64)
