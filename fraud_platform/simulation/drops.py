"""Whole drops: days are simulated and formatted in parallel, written in order, renamed at the end.

Here: `simulate_drops`, its pipeline, and the expected ledger of each drop.
Not here: rows (`days`), text (`lines`), dirt (`dirt`), opening and closing files (`files`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.errors import SettingsError
from fraud_platform.simulation.config import SimulationConfig
from fraud_platform.simulation.days import DayRows, simulate_day
from fraud_platform.simulation.dirt import DirtPlanner
from fraud_platform.simulation.files import DropFile, remove_part, replace_atomically
from fraud_platform.simulation.lines import Edit, format_day
from fraud_platform.simulation.population import draw_population
from fraud_platform.simulation.truth import DirtyLine, DropTally, TruthRow, write_truth

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class SimulatedDrop:
    """A written drop, with the ledger that cleaning it must produce.

    The counts assume that all earlier drops of the simulation are cleaned first: a copy of an
    earlier drop's row is rejected. `comment_lines` does not count the header.
    """

    drop: str
    path: Path
    truth_path: Path | None
    size_bytes: int
    rows_read: int
    rows_clean: int
    rejected: dict[Reason, int]
    repaired: dict[Repair, int]
    blank_lines: int
    comment_lines: int
    frauds: int

    @property
    def rows_quarantined(self) -> int:
        """Number of rejected rows, over all reasons."""
        return sum(self.rejected.values())

    def __str__(self) -> str:
        counts = (*self.rejected.items(), *self.repaired.items())
        dirt = ", ".join(f"{kind} {rows:,}" for kind, rows in counts if rows)
        return (
            f"{self.path.name}: {self.rows_read:,} rows, {self.size_bytes / 1e6:,.1f} MB, "
            f"{self.frauds:,} frauds; {dirt or 'no dirt'}"
        )


@dataclass(frozen=True)
class SpeltDay:
    """A day's text in blocks, with its counts and dirty lines."""

    blocks: list[bytes]
    rows: int
    frauds: int
    dirty_lines: list[DirtyLine]
    fraud_rows_replaced: int


@dataclass(frozen=True)
class _Parallel:
    """An ordered map over a thread pool that runs at most `ahead` items ahead of its consumer."""

    pool: ThreadPoolExecutor
    ahead: int

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
        """Yield `function(item)` for each item, in order."""
        running: deque[Future[R]] = deque()
        try:
            for item in items:
                running.append(self.pool.submit(function, item))
                if len(running) >= self.ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def simulate_drops(
    config: SimulationConfig,
    landing: Path,
    truth: Path | None = None,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
    kept_days: int = 0,
) -> list[SimulatedDrop]:
    """Write the simulation's drops to `landing`, oldest first, and return their expected ledgers.

    The bytes depend only on `config`. Each file is written under a hidden name, synced and
    renamed, so it is either complete or absent. An interruption keeps the finished drops and
    removes the unfinished one. Memory holds a few days of rows (about 1 GB at 1.6 million rows a
    day).

    Args:
        config: what to simulate.
        landing: folder of the drops; created if missing.
        truth: folder for one `<drop>.truth.parquet` per drop (columns: `truth.TRUTH_SCHEMA`),
            renamed into place just before its drop; None writes no truth files.
        progress: called with the number of rows written since its last call.
        workers: number of threads; None uses the number of CPUs.
        kept_days: drops within the first so many days that have their files are left as they are
            and are not returned.

    Raises:
        SettingsError: the truth folder is the landing folder or inside it.
    """
    landing.mkdir(parents=True, exist_ok=True)
    if truth is not None:
        if landing.resolve() in (truth.resolve(), *truth.resolve().parents):
            raise SettingsError(
                f"The truth folder {truth} lies in the landing folder {landing}, so its files "
                "would be read as drops. Name a folder outside it."
            )
        truth.mkdir(parents=True, exist_ok=True)
    drops = []
    try:
        with closing(spell_days(config, workers)) as days:
            for drop_days in config.drop_ranges():
                spelt = (next(days) for _ in drop_days)
                paths = [path for path in _paths(config, drop_days[0], landing, truth) if path]
                if drop_days.stop <= kept_days and all(path.exists() for path in paths):
                    _pass_over(spelt, progress)
                    continue
                drops.append(_write_drop(config, drop_days[0], spelt, landing, truth, progress))
    except BaseException:
        for drop_days in config.drop_ranges():
            for path in _paths(config, drop_days[0], landing, truth):
                if path is not None:
                    remove_part(path)
        raise
    return drops


def _pass_over(days: Iterable[SpeltDay], progress: Callable[[int], None] | None) -> None:
    """Work out days that are not written: ids and copies of later days follow from them."""
    for day in days:
        if progress is not None:
            progress(day.rows)


def spell_days(
    config: SimulationConfig, workers: int | None = None
) -> Generator[SpeltDay, None, None]:
    """Yield every day's text in order; dirt and ids are assigned sequentially, the rest in threads.

    Args:
        config: what to simulate.
        workers: number of threads; None uses the number of CPUs.
    """
    population = draw_population(config)
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        parallel = _Parallel(pool, workers)

        def planned() -> Iterator[tuple[DayRows, int, list[DirtyLine]]]:
            planner, next_id = DirtPlanner(config), config.first_transaction_id
            simulate = partial(simulate_day, config, population)
            for rows in parallel.map(simulate, range(config.days)):
                yield rows, next_id, planner.plan_day(rows, next_id)
                next_id += len(rows)

        yield from parallel.map(partial(_spell_day, config), planned())


def _spell_day(config: SimulationConfig, planned: tuple[DayRows, int, list[DirtyLine]]) -> SpeltDay:
    rows, first_id, dirty_lines = planned
    edits = [Edit(line.row, line.replaces, line.truth.raw_line) for line in dirty_lines]
    replaced = [line.row for line in dirty_lines if line.replaces]
    return SpeltDay(
        blocks=list(format_day(rows, first_id, config.date_of(rows.day), config.layout, edits)),
        rows=len(rows),
        frauds=int(np.count_nonzero(rows.fraud_scenario)),
        dirty_lines=dirty_lines,
        fraud_rows_replaced=int(np.count_nonzero(rows.fraud_scenario[replaced])),
    )


def _paths(
    config: SimulationConfig, first_day: int, landing: Path, truth: Path | None
) -> tuple[Path, Path | None]:
    """Return the paths of a drop and of its truth file (None if `truth` is None)."""
    drop = config.date_of(first_day).isoformat()
    path = landing / f"{drop}.txt{config.layout.compression}"
    return path, None if truth is None else truth / f"{drop}.truth.parquet"


def _write_drop(
    config: SimulationConfig,
    first_day: int,
    days: Iterable[SpeltDay],
    landing: Path,
    truth: Path | None,
    progress: Callable[[int], None] | None,
) -> SimulatedDrop:
    """Write one drop from the text of its days, and its truth file."""
    drop = config.date_of(first_day).isoformat()
    path, truth_path = _paths(config, first_day, landing, truth)
    tally, truths, lines_written = DropTally(), list[tuple[int, TruthRow]](), 1
    with DropFile(path, config.layout) as file:
        for day in days:
            for block in day.blocks:
                file.write(block)
            for inserted, line in _count_inserted(day.dirty_lines):
                truths.append((lines_written + line.row + inserted + 1, line.truth))
            lines_written += day.rows + _count_lines(day, tally)
            if progress is not None:
                progress(day.rows)
        if truth_path is not None:
            replace_atomically(truth_path, lambda part: write_truth(part, drop, truths))
    return SimulatedDrop(
        drop=drop,
        path=path,
        truth_path=truth_path,
        size_bytes=path.stat().st_size,
        rows_read=tally.rows_clean + tally.rejected.total(),
        rows_clean=tally.rows_clean,
        rejected={reason: tally.rejected[reason] for reason in Reason},
        repaired={repair: tally.repaired[repair] for repair in Repair},
        blank_lines=tally.blank_lines,
        comment_lines=tally.comment_lines,
        frauds=tally.frauds,
    )


def _count_inserted(dirty_lines: list[DirtyLine]) -> Iterator[tuple[int, DirtyLine]]:
    """Yield each line with the number of lines inserted before it."""
    inserted = 0
    for line in dirty_lines:
        yield inserted, line
        inserted += not line.replaces


def _count_lines(day: SpeltDay, tally: DropTally) -> int:
    """Add a day to its drop's tally and return the number of lines inserted on that day."""
    replaced = sum(line.replaces for line in day.dirty_lines)
    tally.add_clean(day.rows - replaced, day.frauds - day.fraud_rows_replaced)
    for line in day.dirty_lines:
        tally.add(line.truth)
    return len(day.dirty_lines) - replaced
