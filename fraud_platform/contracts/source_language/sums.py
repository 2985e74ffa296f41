"""The sums that features ask for: from conditions and values of a row to measures of tiles.

Here: windows as texts, conditions, integer forms of values, and generated names of measures.
Not here: the functions that a team calls (`contracts.source_language.features`), the declaration
that follows (`contracts.source_language.declaring`).

What can be computed from a row alone, in integers, becomes a formula that both engines and Spark
evaluate. A condition that reads known labels or the other entity's history becomes a flag, which is
computed once with the row and kept, because its value would change later.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from fraud_platform.contracts.data_set import MAX_NUMBER
from fraud_platform.contracts.drops import MAX_AMOUNT_CENTS
from fraud_platform.contracts.feature_language.expressions import (
    COMPARISONS,
    Constant,
    Expression,
    Operation,
    Ratio,
    where,
)
from fraud_platform.contracts.feature_language.terms import (
    MAX_WINDOW_DAYS,
    CustomerSince,
    CustomerSum,
    RowTerm,
    VisitSum,
)
from fraud_platform.contracts.source_language.problems import Place, Problems
from fraud_platform.contracts.time import HOURS_PER_DAY

FLAG_PREFIX = "flag_"
MAX_SUMMED = 4 * MAX_NUMBER
"""The largest value that a row may add: sums of 2,000 such rows fit in 64 bits."""
_MAX_COMPARED = 1 << 62
_WINDOW = re.compile(r"([0-9]{1,3})([dh])")
_HASH_LETTERS = 12
_OWN_FOLDER = str(Path(__file__).parent)
_CONDITIONS = COMPARISONS | {"=="}


def refuse(expected: str, found: str, remedy: str) -> NoReturn:
    """Refuse what a declaration says, at the line that says it.

    Raises:
        DeclarationError: always.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    place = Place(frame.f_code.co_filename, frame.f_lineno)
    problems = Problems()
    problems.add(place, expected, found, remedy)
    problems.raise_any(Path(place.file).name)
    raise AssertionError  # the line above raised


def window_of(last: int | str) -> tuple[int, int]:
    """Return days and hours of a window such as `7d`, `6h` or 7, which are days."""
    found = _WINDOW.fullmatch(last) if isinstance(last, str) else None
    if isinstance(last, int) and not isinstance(last, bool):
        hours = last * HOURS_PER_DAY
    elif found:
        hours = int(found[1]) * (HOURS_PER_DAY if found[2] == "d" else 1)
    else:
        refuse("a window such as 7d or 6h", repr(last), "Write days or hours.")
    if not 1 <= hours <= MAX_WINDOW_DAYS * HOURS_PER_DAY:
        refuse(
            f"a window of 1h to {MAX_WINDOW_DAYS}d, which is as long as history is kept",
            repr(last), "Take a shorter one.",
        )  # fmt: skip
    return divmod(hours, HOURS_PER_DAY)


def whole_days(last: int | str) -> int:
    """Return the days of a window that ends before the label delay."""
    days, hours = window_of(last)
    if hours:
        refuse("whole days", repr(last), "Windows before the label delay are whole days.")
    return days


def integers_of(value: Expression) -> tuple[Expression, int] | None:
    """Return a value times a unit as a formula of integers, with the unit; None if there is none.

    A comparison is of unit 1. `P.amount > 9.99` becomes cents > 999, exactly.
    """
    if isinstance(value, Constant | RowTerm):
        return value, 1
    if isinstance(value, Ratio):
        above = integers_of(value.numerator)
        below = value.denominator
        if above is None or not isinstance(below, Constant) or below.value <= 0:
            return None
        return _times(above[0], 1), above[1] * below.value
    if not isinstance(value, Operation):
        return None
    parts = [integers_of(argument) for argument in value.arguments]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return _operation(value.name, known)


def _operation(name: str, parts: list[tuple[Expression, int]]) -> tuple[Expression, int] | None:
    if name == "*":
        (a, unit_a), (b, unit_b) = parts
        return Operation("*", (a, b)), unit_a * unit_b
    condition = [parts.pop(0)[0]] if name == "where" else []
    unit = math.lcm(*(unit for _, unit in parts))
    scaled = [_times(part, unit // own) for part, own in parts]
    if name in _CONDITIONS:
        return Operation(name, tuple(scaled)), 1
    if name in ("+", "-", "least", "greatest", "where"):
        return Operation(name, (*condition, *scaled)), unit
    return None


def _times(value: Expression, factor: int) -> Expression:
    if factor == 1:
        return value
    return Constant(value.value * factor) if isinstance(value, Constant) else value * factor


def is_condition(value: object) -> bool:
    """Return whether a value is 0 or 1 for each row: comparisons, joined by &, | and ~."""
    if not isinstance(value, Operation):
        return False
    if value.name in _CONDITIONS:
        return True
    return value.name in ("least", "greatest", "*") and all(map(is_condition, value.arguments))


def condition_of(condition: object) -> Expression:
    """Return a condition as integers of a row: as it is, or as a flag that is kept with the row."""
    if not isinstance(condition, Expression) or not is_condition(condition):
        refuse(
            "a condition such as P.amount > 200", f"{condition}",
            'Compare numbers with <, <=, >, >=, and categories with is_in(column, "value").',
        )  # fmt: skip
    wrong = [t for t in condition.leaves() if isinstance(t, CustomerSum | CustomerSince | VisitSum)]
    if wrong:
        refuse(
            "a condition over the row, known labels and the other entity's history", f"{wrong[0]}",
            "Windows of the entity that partitions the topic sum conditions, so none reads them.",
        )  # fmt: skip
    is_of_row = all(isinstance(term, RowTerm) for term in condition.leaves())
    integers = integers_of(condition) if is_of_row else None
    if integers is not None and _fits(integers[0]):
        return integers[0]
    return RowTerm(FLAG_PREFIX + _hashed(str(condition)), condition) > 0


def value_of(value: object) -> tuple[Expression, int]:
    """Return what a row adds to a total, as integers of the row, and its unit."""
    found = integers_of(value) if isinstance(value, Expression) else None
    if found is None or not all(isinstance(t, RowTerm) for t in found[0].leaves()):
        refuse(
            "a number of the row itself", f"{value}",
            "Sum a column, or columns joined by +, - and where.",
        )  # fmt: skip
    largest = _largest(found[0])
    if largest > MAX_SUMMED:
        refuse(
            f"a value of at most {MAX_SUMMED:,} smallest units", f"up to {largest:,}: {value}",
            "Keep fewer digits, or sum the columns one by one.",
        )  # fmt: skip
    return found


def _largest(value: Expression) -> int:
    """Return a bound of the absolute value of a formula over integers of a row."""
    if isinstance(value, Constant):
        return abs(value.value)
    if isinstance(value, RowTerm):
        return MAX_AMOUNT_CENTS if value.name == "amount_cents" else MAX_NUMBER
    assert isinstance(value, Operation)  # integers_of gives no other node
    if value.name in _CONDITIONS:
        return 1
    bounds = [_largest(argument) for argument in value.arguments]
    if value.name == "*":
        return bounds[0] * bounds[1]
    return bounds[0] + bounds[1] if value.name in ("+", "-") else max(bounds)


def _fits(value: Expression) -> bool:
    """Return whether no part of a formula over integers can leave 64 bits."""
    return _largest(value) <= _MAX_COMPARED and all(map(_fits, value.children()))


def kept(value: Expression, condition: Expression | None) -> Expression:
    """Return a value where the condition holds, else 0."""
    return value if condition is None else where(condition, value, 0)


def measure_name(entity: str, value: Expression) -> str:
    """Return the name of a measure: a change of its formula is another name."""
    return f"{entity}_{_hashed(str(value))}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LETTERS]


def terms_of(formulas: Iterable[Expression]) -> tuple[Expression, ...]:
    """Return all terms of formulas, and those in measures that they make, in a fixed order."""
    found: set[Expression] = set()
    waiting = [leaf for formula in formulas for leaf in formula.leaves()]
    while waiting:
        term = waiting.pop()
        of = getattr(term, "of", None)
        if isinstance(of, Expression):
            waiting += of.leaves()
        found.add(term)
    return tuple(sorted(found, key=str))
