"""The keys whose surrogate is not their hash, because another key has the same one.

Here: reading them for `RowReader`, which every reader of drops and messages does.
Not here: finding them (`cleaning.texts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import SOURCE
from fraud_platform.tables.texts import TEXT_EXCEPTIONS

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Tables

Exceptions = Mapping[str, Mapping[str, int]]
"""Column of a surrogate (`customer_id`, `terminal_id`) to text to surrogate."""
NO_EXCEPTIONS: Exceptions = MappingProxyType({})


def known_exceptions(lake: Tables) -> Exceptions:
    """Return the exceptions that messages are read with; none if all keys are integers."""
    return read_exceptions(lake) if SOURCE.has_text_keys else {}


def read_exceptions(lake: Tables) -> Exceptions:
    """Return the exceptions of a lake; an absent table has none."""
    found: dict[str, dict[str, int]] = {}
    for row in lake.read_arrow(TEXT_EXCEPTIONS).to_pylist():
        found.setdefault(row["field"], {})[row["text"]] = row["code"]
    return found
