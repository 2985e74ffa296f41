"""The command `simulate`: drops like the Handbook's, and the month after them.

Here: options to a simulation's settings, which series a folder holds, printing the result.
Not here: simulating (`fraud_platform.simulation`), the other commands
(`fraud_platform.cli.commands`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    from fraud_platform.simulation import SimulationConfig

simulation = typer.Typer()
_MONTH = 30


@simulation.command()
def simulate(
    to: Annotated[
        Path | None, typer.Option(help="Folder of the drops; without it, the demo's own.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder for the truth of every injected row.")
    ] = None,
    customers: Annotated[int | None, typer.Option(min=1, help="5,000 if not given.")] = None,
    terminals: Annotated[int | None, typer.Option(min=1, help="10,000 if not given.")] = None,
    first_day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="First day, YYYY-MM-DD; without it, the days end yesterday."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days: 120 at first, then 30 more each time.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; FRAUD_SEED if not given.")] = None,
    dirt: Annotated[
        float | None, typer.Option(min=0, help="Multiplies the rates of dirt; 1 if not given.")
    ] = None,
) -> None:
    """Write drops like the Fraud Detection Handbook's, with documented dirt in them.

    A folder that has simulated drops gets the next month of the same customers and terminals.
    """
    from fraud_platform.operations.choices import CHOICES
    from fraud_platform.reporting.terminal import progress_bar
    from fraud_platform.simulation import simulate_drops
    from fraud_platform.simulation.series import (
        continued,
        keep_series,
        read_series,
        require_handbook,
        words_of,
    )

    settings = load_settings(CHOICES)
    require_handbook("simulate", "Unset it to simulate drops of the Handbook")
    home = settings.home
    folder, truth = (home / "simulated", truth or home / "truth") if to is None else (to, truth)
    given = {"customers": customers, "terminals": terminals, "seed": seed}
    if first_day is not None:
        given["first_day"] = first_day.date()  # type: ignore[assignment]
    series = read_series(folder)
    if series is None:
        _require_no_drops(folder)
        config = _new_series(settings, given, days, 1.0 if dirt is None else dirt)
    else:
        _require_same(series, given, dirt, folder)
        config = continued(series, days or _MONTH)
    typer.echo(f"{'the next days of' if series else 'a new series,'} {words_of(config)}")
    keep_series(folder, config)
    with progress_bar("simulating", config.expected_rows, "rows") as advance:
        drops = simulate_drops(
            config, folder, truth, advance, kept_days=_whole_days(series) if series else 0
        )
    for drop in drops:
        typer.echo(str(drop))
    typer.echo(_how_to_bring_in(settings, to))


def _whole_days(series: SimulationConfig) -> int:
    """Return the days of the drops that more days leave as they are."""
    return series.days // series.drop_days * series.drop_days


def _new_series(
    settings: Settings, given: dict[str, Any], days: int | None, dirt: float
) -> SimulationConfig:
    from fraud_platform.simulation import DirtRates, SimulationConfig
    from fraud_platform.simulation.series import days_before

    wanted = {name: value for name, value in given.items() if value is not None}
    config = SimulationConfig(
        seed=wanted.pop("seed", settings.seed),
        days=days or 4 * _MONTH,
        dirt=DirtRates().scaled(dirt),
    )
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    wanted.setdefault("first_day", days_before(yesterday, config.days))
    return replace(config, **wanted)


def _require_no_drops(folder: Path) -> None:
    found = sorted(folder.glob("????-??-??.txt*")) if folder.is_dir() else []
    if found:
        raise SettingsError(
            f"{folder}: expected an empty folder or a simulated series, found {found[0].name}, of "
            "which nothing says how it was simulated. Name another folder with --to."
        )


def _require_same(
    series: SimulationConfig, given: dict[str, Any], dirt: float | None, folder: Path
) -> None:
    """Refuse to continue a series with other settings than it began with."""
    from fraud_platform.simulation import DirtRates

    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if dirt is not None:
        wanted["dirt"] = DirtRates().scaled(dirt)
    other = [
        f"--{name.replace('_', '-')}" for name in wanted if getattr(series, name) != wanted[name]
    ]
    if other:
        raise SettingsError(
            f"{folder}: expected to continue the series that is there (from {series.first_day}, "
            f"{series.customers:,} customers, {series.terminals:,} terminals, seed "
            f"{series.seed}), found another {', '.join(other)}. Leave the option out, or name "
            "another folder with --to."
        )


def _how_to_bring_in(settings: Settings, to: Path | None) -> str:
    if to is None:
        return (
            "Bring it in: `fraud-platform demo` sends its first transactions live and then lands "
            f"the drop; or copy it into {settings.landing}."
        )
    return f"Bring them in: fraud-platform demo --drops {to}"
