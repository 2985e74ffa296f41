"""Why a message is a dead letter, each reason declared once.

Here: `MessageReason`. A member's declaration decides its name in `dead_letters` and in headers, its
words, its precedence and, for a reason that depends on values alone, its rule. To add a reason, add
one member (docs/extending.md).
Not here: the reasons that messages share with the rows of a drop
(`contracts.quarantine_reasons`), reading a message (`scoring.messages.decode`), the rules for event
times (`stream.event_time`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.quarantine_reasons import OF_SEVERAL_ROWS, Reason
from fraud_platform.errors import DeclarationError

Mask = npt.NDArray[np.bool_]


class Judged(IntEnum):
    """The steps in which a message is judged, in order of precedence.

    The reasons of `FORM` end the reading. Those of `ROW` (the row's own, see
    `contracts.quarantine_reasons`) and `KEY` are judged together. `VALUES`, `TIME` and `ID` apply
    only if no earlier step has a reason.
    """

    FORM = 1
    ROW = 2
    KEY = 3
    VALUES = 4
    TIME = 5
    ID = 6


@dataclass(frozen=True)
class Declaration:
    """Everything about one reason.

    Attributes:
        name: its name in tables, headers and counts.
        description: when it applies, as in the contract. For a reason with a rule this is also the
            detail of a dead letter; it starts with the field and never contains a value.
        applies: the rule for a reason that depends on values alone: from transactions whose fields
            are valid to a mask of those that are refused. None if the rule needs more than that;
            the module that judges the step then has it.
        judged: the step.
    """

    name: str
    description: str
    applies: Callable[[Transactions], Mask] | None = None
    judged: Judged = Judged.VALUES

    def __post_init__(self) -> None:
        """Require a rule of each reason that depends on values, and of no other."""
        if (self.applies is None) == (self.judged is Judged.VALUES):
            raise ValueError(
                f"reason {self.name}: expected `applies` if and only if it is judged on VALUES, "
                f"found {self.judged.name} and {self.applies}. Give one of them."
            )


class MessageReason(StrEnum):
    """Reasons that only a Kafka message can have, a string each, its name."""

    description: str
    applies: Callable[[Transactions], Mask] | None
    judged: Judged

    def __new__(cls, declared: Declaration) -> Self:
        """Return the member with the attributes of its declaration."""
        member = str.__new__(cls, declared.name)
        member._value_ = declared.name
        member.description, member.judged = declared.description, declared.judged
        member.applies = declared.applies
        return member

    TOO_LARGE = Declaration("too_large", "the value is larger than 1 MiB", judged=Judged.FORM)
    NOT_JSON = Declaration("not_json", "the value is not JSON", judged=Judged.FORM)
    WRONG_KEY = Declaration(
        "wrong_key",
        "the key is not the customer_id; judged after the reasons of the row",
        judged=Judged.KEY,
    )
    TIME_AHEAD = Declaration(
        "time_ahead",
        "only if nothing else is wrong: tx_datetime is ahead of what arrival or the messages after "
        "it allow",
        judged=Judged.TIME,
    )
    TIME_BEHIND = Declaration(
        "time_behind",
        "only if nothing else is wrong: tx_datetime is more than 7 days before stream time",
        judged=Judged.TIME,
    )
    ID_COLLISION = Declaration(
        "id_collision",
        "only if nothing else is wrong, of ids that are texts: another id, which was scored, has "
        "the same surrogate",
        judged=Judged.ID,
    )


_SHARED = [name for name in SOURCE.rule_names if name in tuple(MessageReason)]
if _SHARED:
    raise DeclarationError(
        f"REJECT: expected names that no dead letter's reason has, found {', '.join(_SHARED)}. "
        "Rename them."
    )

VALUE_REASONS: tuple[MessageReason, ...] = tuple(r for r in MessageReason if r.applies is not None)
"""The reasons with a rule, in order of precedence."""


def _of_step(step: Judged) -> tuple[str, ...]:
    if step is Judged.ROW:
        own = (r for r in Reason if r not in (Reason.BAD_LABEL, *OF_SEVERAL_ROWS))
        return (*own, *SOURCE.rule_names)
    return tuple(reason for reason in MessageReason if reason.judged is step)


DEAD_LETTER_REASONS: tuple[str, ...] = tuple(r for step in Judged for r in _of_step(step))
"""Why a message is dead, in order of precedence."""


def value_reasons(transactions: Transactions) -> dict[MessageReason, Mask]:
    """Return, by reason, a mask of the transactions that its rule refuses.

    Raises:
        ValueError: a rule returns something else than one boolean for each transaction.
    """
    masks = {}
    for reason in VALUE_REASONS:
        assert reason.applies is not None
        mask = np.asarray(reason.applies(transactions))
        if mask.dtype != np.bool_ or mask.shape != transactions.second.shape:
            raise ValueError(
                f"reason {reason}: expected one boolean for each of {transactions.second.size} "
                f"transactions, found {mask.dtype} of shape {mask.shape}. Correct its `applies`."
            )
        masks[reason] = mask
    return masks
