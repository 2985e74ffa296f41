"""The drops of the demo: simulated months or a folder's files, and landing them.

Here: simulating a series once, checking that landing holds no other drops, copying.
Not here: running what is then due, the live part (`defs.commands.demo`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fraud_platform.contracts.zones import CHUNK_BYTES, Zone, sha256_of
from fraud_platform.errors import SettingsError
from fraud_platform.ingest.arrivals import SUCCESS_MARK
from fraud_platform.ingest.folder import drops_in, unreadable
from fraud_platform.reporting.terminal import progress_bar
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from fraud_platform.simulation import SimulationConfig


def simulate_months(settings: Settings, folder: Path, console: Console) -> None:
    """Simulate four months that end yesterday, or complete a series that was begun.

    Raises:
        SettingsError: this process works on another data set than the simulated one.
    """
    from fraud_platform.simulation import simulate_drops
    from fraud_platform.simulation.series import (
        keep_series,
        read_series,
        require_handbook,
        words_of,
    )

    require_handbook("demo", "Name a folder with drops: fraud-platform demo --drops FOLDER")
    config = read_series(folder)
    if config is None and folder.is_dir() and any(folder.glob("*.txt")):
        return  # an older version simulated them and kept no configuration
    if config is None:
        config = _four_months(settings)
        keep_series(folder, config)
    console.print(f"simulated months: {words_of(config)}; kept in {folder}")
    if _is_simulated(config, folder):
        return
    with progress_bar("simulating", config.expected_rows, "rows") as advance:
        simulate_drops(config, folder, settings.home / "truth", advance, kept_days=config.days)


def _four_months(settings: Settings) -> SimulationConfig:
    from fraud_platform.simulation import DirtRates, SimulationConfig
    from fraud_platform.simulation.series import days_before

    config = SimulationConfig(seed=settings.seed, dirt=DirtRates().scaled(20))
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return replace(config, first_day=days_before(yesterday, config.days))


def _is_simulated(config: SimulationConfig, folder: Path) -> bool:
    """Return whether all drops of a series exist; each appears only when complete."""
    days = (config.date_of(drop[0]) for drop in config.drop_ranges())
    return all((folder / f"{day}.txt").exists() for day in days)


def drops_for_landing(drops: Path, landing: Zone) -> dict[str, Path]:
    """Return the drops of a folder by name, all of which landing may hold already.

    Raises:
        SettingsError: there are none (`drops_in`), or landing holds other drops.
    """
    wanted = drops_in(drops)
    names = {path.name: path for path in wanted.values()}
    for file in landing.list_files():
        if file.name.startswith((".", "_")):
            continue
        ours = names.get(file.name)
        if ours is None or _sha256(ours) != sha256_of(landing, file.name):
            raise SettingsError(
                f"{landing.url} already holds drops that are not of this demo. Set FRAUD_HOME to "
                "another folder, or remove this one if you do not need its content."
            )
    return wanted


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def land(drops: Sequence[Path], landing: Zone) -> None:
    """Copy drops into landing, each atomically, and mark landing as complete."""
    for path in drops:
        if landing.stat(path.name) is None:
            sink = landing.begin(path.name)
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    sink.write(chunk)
            sink.publish()
    landing.put(SUCCESS_MARK, b"")
