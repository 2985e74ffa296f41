"""Kafka's access rights: three roles with the least privileges that their work needs.

Here: the roles and their grants, as data.
Not here: authentication (`settings.kafka`), configuring the broker (`adapters.kafka.access`).
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
    """The role of a Kafka client, which is also its user name on the embedded broker."""

    PRODUCER = "producer"
    SCORER = "scorer"
    READER = "reader"


@dataclass(frozen=True)
class Grant:
    """One access right of a role.

    Attributes:
        role: the role.
        may: the operation.
        kind: kind of the resource.
        name: name of the topic, group or transactional id.
        is_prefix: whether the right holds for all names that begin with `name`.
    """

    role: Role
    may: Literal["read", "write"]
    kind: Literal["topic", "group", "transactional_id"]
    name: str
    is_prefix: bool = False


def grants(settings: Settings) -> tuple[Grant, ...]:
    """Return the access rights of all roles; everything else is denied."""
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
