"""Problems of a declaration: place and remedy of each, all of them reported at once.

Here: `Place`, `Problems`.
Not here: the checks (`contracts.source_language.source`, `.features`, `.loading`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fraud_platform.errors import DeclarationError


@dataclass(frozen=True)
class Place:
    """A line of a declaration's file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}"


@dataclass
class Problems:
    """The problems found in one declaration."""

    found: list[str] = field(default_factory=list)

    def add(self, place: Place | str, expected: str, found: str, remedy: str) -> None:
        """Add a problem: what was expected, what was found, what to do about it."""
        self.found.append(f"{place}: expected {expected}, found {found}. {remedy}")

    def raise_any(self, name: str) -> None:
        """Raise all problems in one error, if there are any.

        Raises:
            DeclarationError: with one line for each problem.
        """
        if self.found:
            lines = "\n".join(f"  - {problem}" for problem in self.found)
            raise DeclarationError(f"The declaration {name} is not valid:\n{lines}")
