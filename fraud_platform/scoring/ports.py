"""The interfaces of the systems that scoring needs.

Here: protocols of topics, and of tables as scoring joins them: this stage imports no client.
Not here: the protocols of single uses of tables (`contracts.ports`), the implementations
(`fraud_platform.adapters`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fraud_platform.contracts.ports import (
    CountedTables,
    Filters,
    ReplacedTables,
    SparkTables,
    StoredPartitions,
    TableFiles,
    UniqueTables,
)
from fraud_platform.contracts.tables import TableContract

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from fraud_platform.contracts.messages import Messages


class Source(Protocol):
    """Reads exact ranges of one topic."""

    def go_to(self, starts: Mapping[int, int]) -> None:
        """Seek to these offsets, so that the next read starts at once."""

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        """Yield the messages in [start, end) of each partition, each once, or raise an error."""

    def close(self) -> None:
        """Disconnect from the broker."""


class SourceOpener(Protocol):
    """Opens a source in another process: small, hashable, and can be pickled."""

    def open(self) -> Source:
        """Return a new source; the caller closes it."""

    def __hash__(self) -> int:
        """Return equal hashes for equal openers."""


class Publisher(Protocol):
    """Publishes records and a group's offsets, all or nothing, under a lease."""

    def fence(self) -> None:
        """Take the lease: an older holder's next transaction fails."""

    def transaction(
        self,
        records: Iterable[Any],
        group: str,
        offsets: Mapping[tuple[str, int], int],
        note: str = "",
    ) -> Any:
        """Publish records (topic, key, value, headers) and move the group's offsets."""


class Broker(Protocol):
    """Reports the id of a topic and the committed offsets of a consumer group."""

    def topic_id(self, topic: str) -> str:
        """Return what changes when a topic is deleted and created again under its old name."""

    def group_offsets(self, group: str, topic: str, note: str | None = None) -> dict[int, int]:
        """Return the group's committed next offset of each partition that has one."""


class ScoredTables(TableFiles, CountedTables, Protocol):
    """Tables to which scoring appends numbered commits of files that it wrote before."""


class StateTables(ScoredTables, ReplacedTables, UniqueTables, Protocol):
    """Tables from which the scorer's state is recovered."""

    def read_in_batches(
        self,
        table: TableContract,
        filters: Filters,
        columns: list[str],
        version: int,
        rows: int = 2_000_000,
    ) -> Iterator[pa.Table]:
        """Yield a version's rows, about `rows` at a time, in no certain order."""


class SnapshotTables(StateTables, SparkTables, Protocol):
    """Tables of which Spark makes snapshots of the state."""

    def partitions(self, table: TableContract, column: str) -> StoredPartitions | None:
        """Return the values of a partition column that the present version has files of.

        None if the table does not exist.
        """

    def replace(
        self,
        table: TableContract,
        rows: DataFrame,
        partition_column: str,
        partitions: Sequence[str],
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Make `rows` all that these partitions hold, in one commit; return the version."""
