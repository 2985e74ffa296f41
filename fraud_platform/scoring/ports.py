"""What scoring needs of the outside world, as interfaces.

Here: protocols that adapters fulfil, so that this stage imports no client.
Not here: their implementations (`fraud_platform.adapters`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fraud_platform.contracts.messages import Messages


class Source(Protocol):
    """Reads exact ranges of one topic."""

    def go_to(self, starts: Mapping[int, int]) -> None:
        """Get ready to read from these offsets at once."""

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        """Yield the messages of [start, end) of each partition, each once, or raise."""

    def close(self) -> None:
        """Leave the broker."""


class SourceOpener(Protocol):
    """Opens a source in another process: small, hashable, and can be pickled."""

    def open(self) -> Source:
        """Return a new source, which the caller closes."""

    def __hash__(self) -> int:
        """Return the same for equal openers."""


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
    """Answers what a topic is, and what a consumer group has committed."""

    def topic_id(self, topic: str) -> str:
        """Return what changes when a topic is deleted and created anew under its old name."""

    def group_offsets(self, group: str, topic: str, note: str | None = None) -> dict[int, int]:
        """Return the next offset of each partition that the group committed one for."""
