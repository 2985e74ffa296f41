"""What monitoring asks of tables, as an interface.

Here: the join of the contracts' protocols that monitoring needs.
Not here: the protocols of single uses (`contracts.ports`), their implementation
(`fraud_platform.adapters.tables`).
"""

from __future__ import annotations

from typing import Protocol

from fraud_platform.contracts.ports import (
    ListedTables,
    NumberedTables,
    ReplacedTables,
    Tables,
)


class ComparedTables(Tables, ListedTables, NumberedTables, ReplacedTables, Protocol):
    """Reads what the stream and the drops hold, and records how they differ."""
