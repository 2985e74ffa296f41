"""Who may do what in Kafka: three users with the least rights that their work needs.

Here: the roles and their grants, as data.
Not here: how a user proves who it is (`settings.kafka`), telling the broker
(`adapters.kafka.access`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from fraud_platform.contracts.messages import (
    FOLLOWER_GROUP,
    READER_GROUP,
    SCORER_GROUP,
    lease_of,
)

if TYPE_CHECKING:
    from fraud_platform.settings import Settings


class Role(StrEnum):
    """What a client of Kafka is there for; on the embedded broker also its user's name."""

    PRODUCER = "producer"
    SCORER = "scorer"
    READER = "reader"


@dataclass(frozen=True)
class Grant:
    """One thing that a role may do.

    Attributes:
        name: of the topic, group or transactional id; all that begin so where `is_prefix`.
    """

    role: Role
    may: Literal["read", "write"]
    kind: Literal["topic", "group", "transactional_id"]
    name: str
    is_prefix: bool = False


def grants(settings: Settings) -> tuple[Grant, ...]:
    """Return what each role may do; what is not here is refused."""
    live = (settings.transactions_topic, settings.labels_topic)
    published = (settings.predictions_topic, settings.dead_letters_topic)
    scorer_groups = (SCORER_GROUP, READER_GROUP, FOLLOWER_GROUP)
    return (
        *(Grant(Role.PRODUCER, "write", "topic", name) for name in live),
        *(Grant(Role.SCORER, "read", "topic", name) for name in live),
        *(Grant(Role.SCORER, "write", "topic", name) for name in published),
        *(Grant(Role.SCORER, "read", "group", name, is_prefix=True) for name in scorer_groups),
        Grant(Role.SCORER, "write", "transactional_id", lease_of(settings.transactions_topic)),
        *(Grant(Role.READER, "read", "topic", name) for name in published),
        Grant(Role.READER, "read", "group", READER_GROUP, is_prefix=True),
    )
