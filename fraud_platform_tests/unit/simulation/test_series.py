"""A simulated series goes on with the same population, and says what it was made with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fraud_platform.cli.commands import app
from fraud_platform.errors import SettingsError
from fraud_platform.operations.demo_drops import _four_months, simulate_months
from fraud_platform.settings import Settings
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.simulation.series import continued, keep_series, read_series

SMALL = SimulationConfig(
    customers=60, terminals=90, first_day=date(2026, 1, 5), days=60, seed=7,
    dirt=DirtRates().scaled(8_000),
)  # fmt: skip


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.txt"))}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAUD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_continued_series_is_the_longer_series_and_leaves_its_drops_alone(tmp_path: Path) -> None:
    simulate_drops(SMALL, tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.txt")}
    longer = continued(SMALL, 30)
    made = simulate_drops(longer, tmp_path / "a", kept_days=SMALL.days)
    assert [drop.drop for drop in made] == ["2026-03-06"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    simulate_drops(longer, tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_a_series_is_kept_and_read_as_it_was(tmp_path: Path) -> None:
    keep_series(tmp_path / "new", SMALL)
    assert read_series(tmp_path / "new") == SMALL
    assert read_series(tmp_path) is None
    (tmp_path / ".simulation.json").write_text("{")
    with pytest.raises(SettingsError, match="Remove it"):
        read_series(tmp_path)


def test_the_command_continues_a_folder_and_says_days_and_seed(tmp_path: Path, home: Path) -> None:
    run = CliRunner()
    small = ["--customers", "30", "--terminals", "40", "--to", str(tmp_path / "drops")]
    first = run.invoke(app, ["simulate", *small, "--days", "60", "--seed", "5"])
    assert first.exit_code == 0, first.output
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert f"{yesterday - timedelta(days=59)} to {yesterday}" in first.output
    assert "seed 5" in first.output
    second = run.invoke(app, ["simulate", "--to", str(tmp_path / "drops")])
    assert second.exit_code == 0, second.output
    assert f"to {yesterday + timedelta(days=30)}" in second.output
    assert "30 customers, 40 terminals, seed 5" in second.output
    names = sorted(path.name for path in (tmp_path / "drops").glob("*.txt"))
    first_days = [yesterday - timedelta(days=n) for n in (59, 29, -1)]
    assert names == [f"{day}.txt" for day in first_days]


def test_the_command_refuses_to_continue_with_other_settings(tmp_path: Path, home: Path) -> None:
    keep_series(tmp_path, SMALL)
    result = CliRunner().invoke(app, ["simulate", "--to", str(tmp_path), "--seed", "8"])
    assert isinstance(result.exception, SettingsError)
    assert "--seed" in str(result.exception)
    assert "--to" in str(result.exception)


def test_the_command_refuses_drops_of_which_it_does_not_know_the_settings(
    tmp_path: Path, home: Path
) -> None:
    (tmp_path / "2026-01-05.txt").touch()
    result = CliRunner().invoke(app, ["simulate", "--to", str(tmp_path)])
    assert isinstance(result.exception, SettingsError)
    assert "2026-01-05.txt" in str(result.exception)


def test_the_demo_simulates_months_that_end_yesterday_and_keeps_them(tmp_path: Path) -> None:
    settings, folder = Settings(home=tmp_path), tmp_path / "simulated"
    today = datetime.now(UTC).date()
    months = _four_months(settings)
    assert months.date_of(months.days) == today
    assert months.seed == settings.seed
    # a demo on a later day goes on with the months of the first one
    keep_series(folder, SMALL)
    console = Console(record=True, width=200)
    simulate_months(settings, folder, console)
    assert sorted(_bytes(folder)) == ["2026-01-05.txt", "2026-02-04.txt"]
    output = " ".join(console.export_text().split())
    assert "2026-01-05 to 2026-03-05" in output
    assert "seed 7" in output


def test_a_demo_that_was_stopped_writes_the_drops_that_are_missing(tmp_path: Path) -> None:
    settings, folder = Settings(home=tmp_path), tmp_path / "simulated"
    keep_series(folder, SMALL)
    simulate_months(settings, folder, Console())
    whole = _bytes(folder)
    (folder / "2026-02-04.txt").unlink()
    simulate_months(settings, folder, Console())
    assert _bytes(folder) == whole
