"""A series of simulated drops that can be continued: the same population, month after month.

Here: what a folder of drops was simulated with, kept in the folder; the same with more days.
Not here: simulating (`drops`), which folder and which first day (the command line, the demo).
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

from fraud_platform.contracts.active import DATA_SET
from fraud_platform.errors import SettingsError
from fraud_platform.simulation.config import DirtRates, DropLayout, SimulationConfig
from fraud_platform.simulation.files import replace_atomically

SIMULATED = "handbook"
"""The data set of which drops are simulated."""
_FILE = ".simulation.json"
"""Hidden, so that it is not taken for a drop."""


def require_handbook(command: str, remedy: str) -> None:
    """Raise unless this process works on the data set that is simulated.

    Args:
        command: what simulates, for the error.
        remedy: what to do instead.

    Raises:
        SettingsError: it works on another one.
    """
    if DATA_SET.name != SIMULATED:
        raise SettingsError(
            f"{command}: expected FRAUD_DATA_SET {SIMULATED}, whose drops are simulated, found the "
            f"data set {DATA_SET.name}. {remedy}."
        )


def read_series(folder: Path) -> SimulationConfig | None:
    """Return what a folder's drops were simulated with; None if that is not kept.

    Raises:
        SettingsError: the file is there and cannot be read.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text())
        kept["first_day"] = date.fromisoformat(kept["first_day"])
        kept["dirt"] = DirtRates(**kept["dirt"])
        kept["layout"] = DropLayout(**kept["layout"])
        return SimulationConfig(**kept)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path}: expected the settings of a simulation, found a file that cannot be read "
            f"({error}). Remove it and simulate into an empty folder."
        ) from None


def keep_series(folder: Path, config: SimulationConfig) -> None:
    """Keep what the drops of a folder are simulated with; call it before they are written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder}: expected a folder that can be written, found: {error.strerror}. Name "
            "another one."
        ) from error
    text = json.dumps(asdict(config), default=str, indent=1) + "\n"

    def write(part: Path) -> None:
        part.write_text(text)

    replace_atomically(folder / _FILE, write)


def days_before(last_day: date, days: int) -> date:
    """Return the first of a number of days of which `last_day` is the last."""
    return last_day - timedelta(days=days - 1)


def continued(config: SimulationConfig, days: int) -> SimulationConfig:
    """Return the series with more days: the same customers, terminals and seed."""
    return replace(config, days=config.days + days)


def words_of(config: SimulationConfig) -> str:
    """Return the days and the seed of a series, with which anybody can simulate it again."""
    last_day = config.date_of(config.days - 1)
    return (
        f"{config.first_day} to {last_day}, {config.customers:,} customers, "
        f"{config.terminals:,} terminals, seed {config.seed}"
    )
