"""What features name of a source that is no value of a row: its entities and its time.

Here: `EntityRef`, `TimeRef`.
Not here: the class whose attributes they are (`contracts.source_language.source`).
"""

from __future__ import annotations

from dataclasses import dataclass

from fraud_platform.contracts.feature_language.terms import Entity


@dataclass(frozen=True)
class EntityRef:
    """An entity of a source, as features name it.

    Attributes:
        role: `customer` for the one that partitions the topic, otherwise `terminal`.
        name: its name in the declaration.
        amount_digits: decimals of the source's currency, by which sums of amounts are divided.
    """

    role: Entity
    name: str
    amount_digits: int = 2


@dataclass(frozen=True)
class TimeRef:
    """The time of a source's transactions, as features name it.

    Attributes:
        zone: in which hours and weekdays are counted.
    """

    zone: str
