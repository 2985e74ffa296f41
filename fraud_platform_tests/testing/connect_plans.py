"""How deep the plans of a Spark Connect client are.

Here: measuring a plan, and all plans of a process.
Not here: the plans of the platform (`unit.adapters.spark.test_connect_plans`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

DEEPEST = 50
"""Half of what protobuf allows, so that a caller may nest what a builder gives."""


def depth(message: Message) -> int:
    """Return how deep a message is nested, itself included."""
    below = [0]
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            below += [depth(one) for one in value.values() if isinstance(one, Message)]
        else:
            below += [depth(one) for one in (value if field.is_repeated else [value])]
    return 1 + max(below)


@contextmanager
def watch_depths() -> Iterator[list[int]]:
    """Note the depth of each plan that a Connect client of this process makes."""
    from pyspark.sql.connect.client import SparkConnectClient

    depths: list[int] = []
    known = SparkConnectClient._set_relation_in_plan

    def noted(client: Any, plan: Message, relation: Message) -> None:
        depths.append(depth(relation))
        known(client, plan, relation)

    SparkConnectClient._set_relation_in_plan = noted  # type: ignore[method-assign,assignment]
    try:
        yield depths
    finally:
        SparkConnectClient._set_relation_in_plan = known  # type: ignore[method-assign]
