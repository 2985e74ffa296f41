"""What cleaning asks of tables, as an interface.

Here: the join of the contracts' protocols that cleaning needs.
Not here: the protocols of single uses (`contracts.ports`), their implementation
(`fraud_platform.adapters.tables`).
"""

from __future__ import annotations

from typing import Protocol

from fraud_platform.contracts.ports import (
    PartitionedTables,
    ReplacedTables,
    RestoredTables,
    Tables,
)


class CleaningTables(Tables, PartitionedTables, ReplacedTables, RestoredTables, Protocol):
    """Publishes drops in commits, and undoes commits that a killed run left."""
