"""The declarations of dead-letter reasons, and what they refuse to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fraud_platform.contracts import dead_letter_reasons
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.dead_letter_reasons import (
    DEAD_LETTER_REASONS,
    Declaration,
    Judged,
    MessageReason,
    value_reasons,
)


def test_the_order_of_precedence_is_that_of_the_steps() -> None:
    assert [str(reason) for reason in DEAD_LETTER_REASONS if reason not in _added()] == [
        "too_large",
        "not_json",
        "malformed_row",
        "bad_timestamp",
        "unknown_customer",
        "unknown_terminal",
        "non_positive_amount",
        "bad_value",
        "wrong_key",
        "time_ahead",
        "time_behind",
        "id_collision",
    ]


def _added() -> set[str]:
    return {reason for reason in MessageReason if reason.applies is not None}


@pytest.mark.parametrize(
    "arguments",
    [
        {"judged": Judged.VALUES},
        {"judged": Judged.KEY, "applies": lambda rows: rows.second > 0},
    ],
)
def test_a_reason_has_a_rule_if_and_only_if_it_depends_on_values(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected `applies` if and only if it is judged on VALUE"):
        Declaration("odd", "is odd", **arguments)


@pytest.mark.parametrize("wrong", [lambda rows: rows.second, lambda rows: np.bool_(True)])
def test_a_rule_that_returns_no_boolean_for_each_row_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Transactions], object]
) -> None:
    class Odd(str):
        __slots__ = ()
        applies = staticmethod(wrong)

    monkeypatch.setattr(dead_letter_reasons, "VALUE_REASONS", (Odd("odd"),))
    column = np.zeros(3, np.int64)
    with pytest.raises(ValueError, match="reason odd: expected one boolean for each of 3 trans"):
        value_reasons(Transactions(column, column, column, column, column))
