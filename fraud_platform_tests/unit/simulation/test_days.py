"""Simulated rows: profiles, scenarios, and agreement with the Handbook's drops."""

from __future__ import annotations

import lzma
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fraud_platform.errors import SettingsError
from fraud_platform.simulation import DirtRates, DropLayout, SimulationConfig
from fraud_platform.simulation.days import simulate_day
from fraud_platform.simulation.population import SIDE, Stream, draw_population, random_stream

COLUMNS = ["id", "time", "customer", "terminal", "amount", "second", "day", "fraud", "scenario"]
LEVELS = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999]


def simulate(config: SimulationConfig) -> pl.DataFrame:
    """Return the rows of all days: day, second, customer, terminal, cents, scenario."""
    population = draw_population(config)
    days = [simulate_day(config, population, day) for day in range(config.days)]
    return pl.concat(
        pl.DataFrame(
            {
                "day": np.full(len(rows), rows.day),
                "second": rows.second,
                "customer": rows.customer_id,
                "terminal": rows.terminal_id,
                "cents": rows.amount_cents,
                "scenario": rows.fraud_scenario,
            }
        )
        for rows in days
    )


def test_reachable_terminals_are_those_nearer_than_the_radius() -> None:
    config = SimulationConfig(customers=150, terminals=200, radius=9.0)
    population = draw_population(config)
    customers = random_stream(config, Stream.CUSTOMERS).uniform(0, SIDE, (150, 2))
    terminals = random_stream(config, Stream.TERMINALS).uniform(0, SIDE, (200, 2))
    for customer, place in enumerate(customers):
        near = np.flatnonzero(np.hypot(*(terminals - place).T) < 9.0)
        start = population.first_reachable[customer]
        stop = start + population.reachable_count[customer]
        assert population.reachable[start:stop].tolist() == near.tolist()


def test_customer_with_no_terminal_in_reach_makes_no_transaction() -> None:
    config = SimulationConfig(customers=2_000, terminals=20, days=5)
    lonely = np.flatnonzero(draw_population(config).reachable_count == 0)
    assert len(lonely) > 100
    assert not set(lonely.tolist()) & set(simulate(config)["customer"].to_list())


def test_customer_uses_only_terminals_in_its_reach() -> None:
    config = SimulationConfig(customers=300, terminals=500, days=10)
    population = draw_population(config)
    for customer, terminal in simulate(config).select("customer", "terminal").unique().rows():
        start = population.first_reachable[customer]
        assert (
            terminal in population.reachable[start : start + population.reachable_count[customer]]
        )


def test_amounts_follow_the_customers_own_mean_and_deviation() -> None:
    config = SimulationConfig(customers=200, days=300, compromised_customers_per_day=0)
    population = draw_population(config)
    by_customer = (
        simulate(config)
        .group_by("customer")
        .agg(n=pl.len(), mean=pl.mean("cents") / 100, std=pl.std("cents") / 100)
        .filter(pl.col("n") > 400)
    )
    mean = population.mean_amount[by_customer["customer"].to_numpy()]
    # Normal(m, m/2), its 2.3 % of negatives redrawn as Uniform(0, 2 m): 1.037 m and 0.464 m.
    assert np.abs(by_customer["mean"].to_numpy() / mean / 1.037 - 1).mean() < 0.03
    assert np.abs(by_customer["std"].to_numpy() / mean / 0.464 - 1).mean() < 0.05


def test_times_lie_inside_the_day_around_noon() -> None:
    seconds = simulate(SimulationConfig(customers=2_000, days=10))["second"].to_numpy()
    assert seconds.min() > 0
    assert seconds.max() < 86_400
    assert abs(seconds.mean() - 43_200) < 300
    # Normal(0, 20,000) cut at 2.16 deviations on both sides has a deviation of 18,257.
    assert abs(seconds.std() - 18_257) < 300


def test_scenario_1_is_every_amount_above_220_without_another_scenario() -> None:
    rows = simulate(SimulationConfig(customers=3_000, days=20))
    untouched = rows.filter(pl.col("scenario") <= 1)
    assert untouched.filter((pl.col("cents") > 22_000) != (pl.col("scenario") == 1)).is_empty()
    assert untouched.filter(pl.col("scenario") == 1).height > 20


def test_scenario_2_is_all_transactions_of_a_terminal_for_28_days() -> None:
    config = SimulationConfig(
        customers=3_000,
        terminals=60,
        days=80,
        radius=20.0,
        compromised_terminals_per_day=1,
        compromised_customers_per_day=0,
    )
    by_day = (
        simulate(config)
        .group_by("terminal", "day")
        .agg(frauds=(pl.col("scenario") == 2).sum(), n=pl.len())
        .with_columns(is_compromised=pl.col("frauds") > 0)
    )
    assert by_day.height == 60 * 80, "every terminal must be used every day"
    assert by_day.filter(pl.col("is_compromised") & (pl.col("frauds") < pl.col("n"))).is_empty()
    runs = []
    for (_,), days in by_day.sort("day").group_by(["terminal"], maintain_order=True):
        flags = np.concatenate(([False], days["is_compromised"].to_numpy(), [False]))
        edges = np.flatnonzero(flags[1:] != flags[:-1])
        runs += [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    # A run is longer than 28 days if the terminal was chosen again in the meantime.
    assert all(stop - start >= 28 for start, stop in runs if stop < 80)
    assert any(stop - start == 28 for start, stop in runs)
    compromised = by_day.group_by("day").agg(pl.sum("is_compromised")).sort("day")
    per_day = compromised["is_compromised"].to_numpy()
    assert per_day[0] == 1
    # 28 choices of one in 60 take 60 (1 - (59/60)^28) = 22.5 different terminals.
    assert abs(per_day[27:].mean() - 22.5) < 2


def test_scenario_3_is_a_third_of_a_customers_rows_for_14_days_at_5_times_the_amount() -> None:
    config = SimulationConfig(
        customers=400,
        days=60,
        max_transactions_per_day=60.0,
        compromised_terminals_per_day=0,
        compromised_customers_per_day=1,
    )
    rows = simulate(config)
    mean_cents = draw_population(config).mean_amount * 100
    taken = rows.filter(pl.col("scenario") == 3)
    spans = taken.group_by("customer").agg(first=pl.min("day"), last=pl.max("day"))
    once = spans.filter((pl.col("last") - pl.col("first") == 13) & (pl.col("last") < 59))
    assert once.height > 20
    share = (
        rows.join(once, on="customer")
        .filter(pl.col("day").is_between("first", "last"))
        .select((pl.col("scenario") == 3).mean())
        .item()
    )
    assert abs(share - 1 / 3) < 0.02
    ratio = taken["cents"].to_numpy() / mean_cents[taken["customer"].to_numpy()]
    assert abs(np.median(ratio) - 5) < 0.2


def test_first_days_have_fewer_frauds_because_nothing_was_compromised_before() -> None:
    fraud = (
        simulate(SimulationConfig(days=60))
        .group_by("day")
        .agg(share=(pl.col("scenario") > 0).mean())
        .sort("day")["share"]
        .to_numpy()
    )
    assert fraud[:3].mean() < 0.25 * fraud[30:].mean()


def test_a_day_is_the_same_in_a_longer_simulation() -> None:
    short = simulate(SimulationConfig(customers=300, days=3))
    longer = simulate(SimulationConfig(customers=300, days=5))
    assert short.equals(longer.filter(pl.col("day") < 3))


def test_another_seed_gives_other_rows() -> None:
    config = SimulationConfig(customers=300, days=2)
    assert not simulate(config).equals(simulate(replace(config, seed=config.seed + 1)))


def test_defaults_of_compromised_entities_follow_the_population() -> None:
    handbook, original = SimulationConfig(), SimulationConfig.original_series()
    assert (handbook.terminals_compromised_daily, handbook.customers_compromised_daily) == (2, 3)
    assert (original.terminals_compromised_daily, original.customers_compromised_daily) == (2, 593)


def test_original_series_has_about_47_million_rows_and_5_percent_fraud() -> None:
    config = SimulationConfig.original_series()
    rows = simulate_day(config, draw_population(config), 29)
    assert abs(30 * len(rows) / 46_988_418 - 1) < 0.02
    assert 0.050 < (rows.fraud_scenario > 0).mean() < 0.062


def test_an_invalid_config_lists_every_problem_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        SimulationConfig(
            customers=0,
            days=0,
            first_day=date(1999, 12, 31),
            compromised_terminals_per_day=-1,
            dirt=DirtRates(bad_label=2.0),
            layout=DropLayout(header="tabs", compression=".zip"),  # type: ignore[arg-type]  # wrong
        )
    problems = ("customers", "days is 0", "2000-2099", "compromised_term", "dirt.bad_label")
    for problem in (*problems, "header is 'tabs'", "compression is '.zip'"):
        assert problem in str(error.value)


@pytest.fixture(scope="module")
def real_rows(real_drops: Path) -> pl.DataFrame:
    """Return the four Handbook drops, with the columns of `simulate`."""
    frames = [
        pl.read_csv(
            lzma.decompress(path.read_bytes()),
            has_header=False,
            new_columns=COLUMNS,
            skip_rows=1,
        )
        for path in sorted(real_drops.glob("*.txt.xz"))
    ]
    return pl.concat(frames).with_columns(
        second=pl.col("second") - pl.col("day") * 86_400,
        cents=(pl.col("amount") * 100).round().cast(pl.Int64),
    )


@pytest.fixture(scope="module")
def simulated_rows() -> list[pl.DataFrame]:
    """Return four simulations of the same size as the Handbook's drops."""
    return [simulate(SimulationConfig(seed=seed)) for seed in range(4)]


@pytest.mark.real_drops
def test_row_counts_are_those_of_the_real_drops(
    real_rows: pl.DataFrame, simulated_rows: list[pl.DataFrame]
) -> None:
    # The total varies by 0.8 % between populations, because customers' means are random.
    mean = np.mean([rows.height for rows in simulated_rows])
    assert abs(mean / real_rows.height - 1) < 0.02


@pytest.mark.real_drops
@pytest.mark.parametrize(("scenario", "tolerance"), [(1, 0.35), (2, 0.15), (3, 0.25)])
def test_fraud_share_of_a_scenario_is_that_of_the_real_drops(
    real_rows: pl.DataFrame, simulated_rows: list[pl.DataFrame], scenario: int, tolerance: float
) -> None:
    def share(rows: pl.DataFrame) -> float:
        return float((rows["scenario"] == scenario).to_numpy().mean())

    simulated = np.mean([share(rows) for rows in simulated_rows])
    assert abs(simulated / share(real_rows) - 1) < tolerance


@pytest.mark.real_drops
@pytest.mark.parametrize(("column", "tolerance"), [("cents", 0.08), ("second", 0.03)])
def test_quantiles_are_those_of_the_real_drops(
    real_rows: pl.DataFrame, simulated_rows: list[pl.DataFrame], column: str, tolerance: float
) -> None:
    # The quartiles of amount vary by up to 5 % between populations of 5,000 customers.
    real = np.quantile(real_rows[column], LEVELS)
    simulated = np.mean([np.quantile(rows[column], LEVELS) for rows in simulated_rows], axis=0)
    assert np.abs(simulated / real - 1).max() < tolerance


@pytest.mark.real_drops
def test_amounts_over_their_customers_mean_are_spread_as_in_the_real_drops(
    real_rows: pl.DataFrame, simulated_rows: list[pl.DataFrame]
) -> None:
    def quantiles(rows: pl.DataFrame) -> np.ndarray:
        usual = rows.filter((pl.col("scenario") == 0) & (pl.len().over("customer") > 200))
        ratio = usual.select(pl.col("cents") / pl.mean("cents").over("customer"))
        return np.quantile(ratio["cents"], LEVELS)

    assert np.abs(quantiles(simulated_rows[0]) / quantiles(real_rows) - 1).max() < 0.02


@pytest.mark.real_drops
def test_zero_amounts_of_the_real_drops_occur_at_the_default_dirt_rate(
    real_rows: pl.DataFrame,
) -> None:
    expected = DirtRates().non_positive_amount * real_rows.height
    observed = real_rows.filter(pl.col("cents") <= 0).height
    # Four standard deviations of a Poisson count.
    assert abs(observed - expected) < 4 * expected**0.5
