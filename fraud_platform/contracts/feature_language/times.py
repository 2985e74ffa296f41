"""The times that features rest on, apart from the windows in their formulas.

Here: `FeatureTimes`, and the first ones.
Not here: those of a declaration (`contracts.feature_language.declarables`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from fraud_platform.contracts.time import SECONDS_PER_HOUR


@dataclass(frozen=True)
class FeatureTimes:
    """The times that every feature and tile depends on, except the windows in its formula."""

    tile_seconds: int
    label_delay_hours: int
    max_window_hours: int
    max_since_seconds: int

    def __str__(self) -> str:
        text = (
            f"tiles of {self.tile_seconds} s, labels after {self.label_delay_hours} h, "
            f"windows of at most {self.max_window_hours} h"
        )
        if self.max_since_seconds == self.max_window_hours * SECONDS_PER_HOUR:
            return text
        return f"{text}, times since of at most {self.max_since_seconds} s"

    def differences_from(self, before: FeatureTimes) -> list[str]:
        """Return each time that is not as before, such as `label_delay_hours is 192, was 168`."""
        return [
            f"{f.name} is {getattr(self, f.name)}, was {getattr(before, f.name)}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(before, f.name)
        ]


FIRST_TIMES = FeatureTimes(3600, 168, 720, 2_592_000)
"""The times while signatures of whole declarations did not name them. Never change these numbers:
signatures from then say nothing of times, so no signature names them as long as they hold."""
