"""What the demo says if it cannot go on."""

from __future__ import annotations

from datetime import UTC, datetime

from fraud_platform.defs.commands.demo import held_words
from fraud_platform.reporting.needs import Need


def test_held_drops_are_named_with_their_remedy_before_a_demo_ends() -> None:
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    need = Need(
        "drop 2025-03-01", since, "is held: 25 of 203 frauds", "Release it with accept.", "held"
    )
    first, line, last = held_words([need]).split("\n")
    assert first == "no model was promoted, and drops are held:"
    assert line.strip() == (
        "drop 2025-03-01 since 2026-01-02 03:04 UTC: is held: 25 of 203 frauds. "
        "Release it with accept."
    )
    assert last.startswith("Then run the demo again")
    assert held_words([]) == ""
