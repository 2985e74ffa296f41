"""Which rows get dirt, and the position of every dirty line.

Here: the planner, which draws the rows of each kind of dirt and assigns each line a position.
Not here: making the lines (`dirty_rows`, `defects`), or inserting them into the text (`lines`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from fraud_platform.simulation.config import SimulationConfig
from fraud_platform.simulation.days import DayRows
from fraud_platform.simulation.dirty_rows import Place, RowSpoiler
from fraud_platform.simulation.lines import contents_of
from fraud_platform.simulation.population import Stream, random_stream
from fraud_platform.simulation.truth import DirtyLine, TruthRow

_SAME_DAY_SHARE = 0.5


class DirtPlanner:
    """Plans the dirt of a simulation, day by day in calendar order.

    Keeps the copies of rows that are to be inserted on later days.
    """

    def __init__(self, config: SimulationConfig) -> None:
        self._config = config
        self._copies: dict[int, list[tuple[float, TruthRow]]] = defaultdict(list)

    def plan_day(self, rows: DayRows, first_id: int) -> list[DirtyLine]:
        """Return a day's dirty lines, ordered by position.

        No row is drawn for two kinds, so that each line has exactly one expected outcome.

        Args:
            rows: the day's rows, before any dirt.
            first_id: transaction id of the day's first row.
        """
        random = random_stream(self._config, Stream.DIRT, rows.day)
        spoiler = RowSpoiler(random, self._config.first_day)
        day_date = self._config.date_of(rows.day)
        lines: list[DirtyLine] = []
        for kind, row in self._draw_rows(len(rows), random):
            for made in spoiler.spoil(kind, first_id + row, contents_of(rows, row, day_date)):
                if made.place in (Place.INSTEAD, Place.BEFORE):
                    lines.append(DirtyLine(row, made.place is Place.INSTEAD, made.truth))
                else:
                    self._schedule_copy(made.truth, rows.day, made.place, random)
        for row_share, truth in self._copies.pop(rows.day, []):
            lines.append(DirtyLine(int(row_share * len(rows)), False, truth))
        return sorted(lines, key=lambda line: (line.row, line.replaces))

    def _draw_rows(self, rows: int, random: np.random.Generator) -> Iterator[tuple[str, int]]:
        """Yield (kind, row) pairs; 24:00:00 gets the day's last rows, so that times stay sorted."""
        left = rows
        counts: dict[str, int] = {}
        for kind, rate in self._config.dirt.by_kind().items():
            counts[kind] = min(int(random.poisson(rate * rows)), left)
            left -= counts[kind]
        last_rows = counts.pop("midnight_24h")
        ordinary = rows - last_rows
        drawn = iter(random.choice(ordinary, sum(counts.values()), replace=False))
        for kind, count in counts.items():
            for _ in range(count):
                yield kind, int(next(drawn))
        for row in range(ordinary, rows):
            yield "midnight_24h", row

    def _schedule_copy(
        self, truth: TruthRow, day: int, place: Place, random: np.random.Generator
    ) -> None:
        """Assign a copy a day in this drop, not before `day`, or any day of the next drop."""
        # Always draw: a drop's bytes must not depend on how many drops follow it.
        day_choice, day_share, row_share = random.random(3).tolist()
        first_day = day
        if place is Place.NEXT_DROP:
            first_day = self._config.last_day_of_drop(day) + 1
            if first_day >= self._config.days:
                return
        target = first_day
        if day_choice >= _SAME_DAY_SHARE:
            days = self._config.last_day_of_drop(first_day) + 1 - first_day
            target += int(day_share * days)
        self._copies[target].append((row_share, truth))
