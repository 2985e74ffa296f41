"""What needs a person: one value, and how it is said.

Here: `Need`, and the lines that a terminal, a sensor and a run's log show.
Not here: finding them (`fraud_platform.operations.needs`, `fraud_platform.defs.pages.needs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

NOTHING = "nothing needs you"
_MOST_IN_A_LINE = 5

Kind = Literal["held", "failed", "halted", "waits", "gap", "landing", "machine"]


@dataclass(frozen=True)
class Need:
    """Something that continues only if a person acts, or that a person should know of.

    Attributes:
        what: the thing, e.g. "drop 2018-05-01".
        since: when it began, if that is known.
        why: what happened, with the error's own first line.
        remedy: what to do, with the command.
        kind: by which it is found.
    """

    what: str
    since: datetime | None
    why: str
    remedy: str
    kind: Kind

    def __str__(self) -> str:
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d %H:%M} UTC"
        return f"{self.what}{since}: {self.why.rstrip('.')}. {self.remedy}"


def needs_lines(needs: Sequence[Need]) -> list[str]:
    """Return the block that is first in `status` and `report`."""
    if not needs:
        return [NOTHING]
    return [
        f"NEEDS YOU ({len(needs)})",
        *(f"  {number}. {need}" for number, need in enumerate(needs, 1)),
    ]


def needs_in_a_line(needs: Sequence[Need]) -> str:
    """Return the block for a reason to skip, which is one line."""
    more = f"; and {len(needs) - _MOST_IN_A_LINE} more" if len(needs) > _MOST_IN_A_LINE else ""
    return "needs you: " + "; ".join(map(str, needs[:_MOST_IN_A_LINE])) + more if needs else ""
