"""Formulas: small expression trees over integer terms, evaluated by numpy.

Here: constants, arithmetic, comparisons, division, square root, power of two, and a formula's text.
Not here: the meaning of the leaves (`contracts.feature_language.terms`), the declared formulas
(`datasets.handbook.features`), evaluating many of them (`contracts.feature_language.formulas`).

Values are int64 until a division, a square root or a power makes them float64. All operations are
built from operations that IEEE 754 rounds correctly, so the same terms give the same bits in every
engine and on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from fraud_platform.contracts.feature_language.geometry import kilometres

Array = np.ndarray
Number = int | float


@dataclass(frozen=True)
class Expression:
    """A node of a formula; nodes are compared and hashed by value."""

    def compute(self, *arguments: Array) -> Array:
        """Return the value for each row from the children's values.

        Raises:
            TypeError: the node is a term, whose values are inputs.
        """
        raise TypeError(f"expected the values of {self}, found none: a term is not computed")

    def children(self) -> tuple[Expression, ...]:
        """Return the child nodes."""
        return ()

    def leaves(self) -> Iterator[Expression]:
        """Yield every leaf that is not a constant, with repeats."""
        if not self.children() and not isinstance(self, Constant):
            yield self
        for child in self.children():
            yield from child.leaves()

    def __bool__(self) -> bool:
        """Refuse to be a condition of Python, which would decide once for all rows.

        Raises:
            TypeError: always; the message names the operators to use.
        """
        raise TypeError(f"expected & for and, | for or, ~ for not, found and, or, not at {self}")

    def __add__(self, other: Expression | Number) -> Expression:
        return Operation("+", (self, wrap(other)))

    def __radd__(self, other: Number) -> Expression:
        return wrap(other) + self

    def __sub__(self, other: Expression | Number) -> Expression:
        return Operation("-", (self, wrap(other)))

    def __rsub__(self, other: Number) -> Expression:
        return wrap(other) - self

    def __mul__(self, other: Expression | Number) -> Expression:
        return Operation("*", (self, wrap(other)))

    def __rmul__(self, other: Number) -> Expression:
        return wrap(other) * self

    def __truediv__(self, other: Expression | Number) -> Expression:
        return ratio(self, other)

    def __rtruediv__(self, other: Number) -> Expression:
        return ratio(other, self)

    def __gt__(self, other: Expression | Number) -> Expression:
        return Operation(">", (self, wrap(other)))

    def __ge__(self, other: Expression | Number) -> Expression:
        return Operation(">=", (self, wrap(other)))

    def __lt__(self, other: Expression | Number) -> Expression:
        return Operation("<", (self, wrap(other)))

    def __le__(self, other: Expression | Number) -> Expression:
        return Operation("<=", (self, wrap(other)))

    def __and__(self, other: Expression) -> Expression:
        return Operation("least", (self, other))

    def __or__(self, other: Expression) -> Expression:
        return Operation("greatest", (self, other))

    def __invert__(self) -> Expression:
        return Operation("<=", (self, Constant(0)))


@dataclass(frozen=True)
class Constant(Expression):
    """An integer."""

    value: int

    def compute(self, *arguments: Array) -> Array:
        """Return the constant, of shape ()."""
        return np.asarray(self.value, dtype=np.int64)

    def __str__(self) -> str:
        return str(self.value)


_LOG_2 = 0.6931471805599453
_POWER_TERMS = 14
_GREATEST_EXPONENT = 1000


def _power_of_two(exponent: Array) -> Array:
    """Return 2 ** exponent to about one unit in the last place; exponents are clipped to +-1000.

    The C library's power function may differ between machines. Additions, multiplications and a
    shift of the binary exponent do not.
    """
    bounded = np.clip(np.asarray(exponent, np.float64), -_GREATEST_EXPONENT, _GREATEST_EXPONENT)
    whole = np.rint(bounded)
    rest = (bounded - whole) * _LOG_2
    power = np.ones_like(rest)
    for n in range(_POWER_TERMS, 0, -1):
        power = 1.0 + rest * power / n
    return np.ldexp(power, whole.astype(np.int32))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    ">": lambda a, b: (a > b).astype(np.int64),
    ">=": lambda a, b: (a >= b).astype(np.int64),
    "<": lambda a, b: (a < b).astype(np.int64),
    "<=": lambda a, b: (a <= b).astype(np.int64),
    "least": np.minimum,
    "greatest": np.maximum,
    "where": lambda condition, a, b: np.where(condition != 0, a, b),
    "sqrt": lambda a: np.sqrt(np.maximum(a, 0)),
    "power_of_two": _power_of_two,
    "==": lambda a, b: (a == b).astype(np.int64),
    "//": np.floor_divide,
    "%": np.mod,
    "kilometres": kilometres,
}
COMPARISONS = frozenset({">", ">=", "<", "<="})
_INFIX = {"+", "-", "*", "//", "%", "==", *COMPARISONS}


@dataclass(frozen=True)
class Operation(Expression):
    """An operation, by its name in `_OPERATIONS`, applied to its arguments in order."""

    name: str
    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        """Return the arguments."""
        return self.arguments

    def compute(self, *arguments: Array) -> Array:
        """Return the operation's result for its arguments' values."""
        result: Array = _OPERATIONS[self.name](*arguments)
        return result

    def __str__(self) -> str:
        if self.name in _INFIX:
            return f"({self.arguments[0]} {self.name} {self.arguments[1]})"
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Ratio(Expression):
    """A float64 division; `default` where the denominator is 0 (no history)."""

    numerator: Expression
    denominator: Expression
    default: float

    def children(self) -> tuple[Expression, ...]:
        """Return numerator and denominator."""
        return (self.numerator, self.denominator)

    def compute(self, *arguments: Array) -> Array:
        """Return the quotient, never NaN for finite arguments."""
        above, below = arguments
        shape = above.shape or below.shape
        quotient = np.full(shape, self.default, dtype=np.float64)
        np.divide(above, below, out=quotient, where=below != 0)
        return quotient

    def __str__(self) -> str:
        return f"ratio({self.numerator}, {self.denominator}, default {self.default})"


def wrap(value: Expression | Number) -> Expression:
    """Return an expression for an expression, an integer, or a decimal such as 9.99.

    A decimal is the ratio of the two integers that it is written with.

    Raises:
        TypeError: the value is something else.
    """
    if isinstance(value, Expression):
        return value
    if isinstance(value, int):
        return Constant(value)
    if isinstance(value, float) and np.isfinite(value):
        above, below = Decimal(repr(value)).as_integer_ratio()
        return Constant(above) if below == 1 else Ratio(Constant(above), Constant(below), 0.0)
    raise TypeError(f"expected an expression or a number, found {value!r}")


def ratio(
    numerator: Expression | Number, denominator: Expression | Number, default: float = 0.0
) -> Expression:
    """Return numerator / denominator in float64, or `default` if the denominator is 0."""
    return Ratio(wrap(numerator), wrap(denominator), float(default))


def least(a: Expression | Number, b: Expression | Number) -> Expression:
    """Return the smaller of two values."""
    return Operation("least", (wrap(a), wrap(b)))


def greatest(a: Expression | Number, b: Expression | Number) -> Expression:
    """Return the larger of two values."""
    return Operation("greatest", (wrap(a), wrap(b)))


def where(condition: Expression, a: Expression | Number, b: Expression | Number) -> Expression:
    """Return `a` if the condition is not 0, else `b`, row by row."""
    return Operation("where", (condition, wrap(a), wrap(b)))


def square_root(value: Expression) -> Expression:
    """Return the square root, or 0 if the value is negative."""
    return Operation("sqrt", (value,))


def power_of_two(exponent: Expression) -> Expression:
    """Return 2 ** exponent in float64, for exponents between -1000 and 1000."""
    return Operation("power_of_two", (exponent,))


def floor_divided(value: Expression, by: int) -> Expression:
    """Return the greatest integer of at most value / by; `by` is above 0."""
    return Operation("//", (value, Constant(by)))


def remainder(value: Expression, by: int) -> Expression:
    """Return what `floor_divided` leaves, from 0 to by - 1."""
    return Operation("%", (value, Constant(by)))
