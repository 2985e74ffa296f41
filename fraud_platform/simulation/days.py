"""The transactions of one simulated day, with their fraud scenarios.

Here: the Handbook's transactions and its three fraud scenarios, one day at a time.
Not here: customers and terminals (`population`), ids, text or dirt (`drops`, `lines`, `dirt`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.simulation.config import SimulationConfig
from fraud_platform.simulation.population import Population, Stream, random_stream

TIME_STD_SECONDS = 20_000
FRAUD_ABOVE_CENTS = 22_000
COMPROMISED_TERMINAL_DAYS = 28
COMPROMISED_CUSTOMER_DAYS = 14
COMPROMISED_CUSTOMER_SHARE = 1 / 3
COMPROMISED_AMOUNT_FACTOR = 5
MAX_COMPROMISES = 3


@dataclass(frozen=True)
class DayRows:
    """One day's transactions, ordered by second, then customer, then draw; all shapes (rows,)."""

    day: int
    second: npt.NDArray[np.int32]
    customer_id: npt.NDArray[np.int32]
    terminal_id: npt.NDArray[np.int32]
    amount_cents: npt.NDArray[np.int64]
    fraud_scenario: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.second)


def simulate_day(config: SimulationConfig, population: Population, day: int) -> DayRows:
    """Simulate the day with index `day` (0 is `config.first_day`), independent of other days.

    A customer makes Poisson(its mean) transactions. Each time is Normal(noon, 20,000 s); times
    outside the day are dropped. Each amount is Normal(m, m / 2), redrawn as Uniform(0, 2 m) if
    negative, and rounded to the cent. The terminal is uniform over the customer's reachable
    terminals. An amount that rounds to zero becomes one cent, because zero amounts are dirt and
    have their own rate.

    Three scenarios are applied in order; a later one overwrites an earlier one. 1: the amount is
    above 220. 2: the terminal was compromised in the last 28 days. 3: the customer was
    compromised in the last 14 days; a random third of its transactions become fraud at five
    times the amount. The Handbook draws that third from the finished 14 days; here each
    transaction is drawn on its own, so that no day depends on a later one.
    """
    random = random_stream(config, Stream.TRANSACTIONS, day)
    second, customer = _draw_times(population, random)
    cents = _draw_amounts(population.mean_amount[customer], random)
    steps = (random.random(len(customer)) * population.reachable_count[customer]).astype(np.int64)
    terminal = population.reachable[population.first_reachable[customer] + steps]

    scenario = (cents > FRAUD_ABOVE_CENTS).astype(np.int8)
    scenario[_compromised_terminals(config, day)[terminal]] = 2
    times_compromised = _compromised_customers(config, day)[customer]
    at_risk = np.flatnonzero(times_compromised)
    hits = random.binomial(times_compromised[at_risk], COMPROMISED_CUSTOMER_SHARE)
    taken = at_risk[hits > 0]
    # Bounded: a tiny population must stay below the contract's maximum amount.
    cents[taken] *= COMPROMISED_AMOUNT_FACTOR ** np.minimum(hits[hits > 0], MAX_COMPROMISES)
    scenario[taken] = 3
    return DayRows(day, second, customer, terminal, cents, scenario)


def _draw_times(
    population: Population, random: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return (second of the day, customer) of the kept times, ordered by second, customer, draw."""
    counts = random.poisson(population.transactions_per_day)
    customer = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    drawn = random.standard_normal(len(customer), dtype=np.float32)
    second = (SECONDS_PER_DAY / 2 + TIME_STD_SECONDS * drawn).astype(np.int64)
    kept = np.flatnonzero((second > 0) & (second < SECONDS_PER_DAY))
    # Packing second and index into one integer makes numpy's fast unstable sort stable.
    key = np.sort(second[kept] << 32 | kept)
    return (key >> 32).astype(np.int32), customer[key & 0xFFFFFFFF]


def _draw_amounts(
    mean_amount: npt.NDArray[np.float32], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return an amount in cents, at least 1, for each mean amount."""
    amount = mean_amount + mean_amount / 2 * random.standard_normal(
        len(mean_amount), dtype=np.float32
    )
    negative = np.flatnonzero(amount < 0)
    amount[negative] = random.random(len(negative), dtype=np.float32) * 2 * mean_amount[negative]
    return np.maximum(np.rint(amount * 100).astype(np.int64), 1)


def _compromised_terminals(config: SimulationConfig, day: int) -> npt.NDArray[np.bool_]:
    """Return, for each terminal, whether it is compromised on `day`."""
    compromised = np.zeros(config.terminals, dtype=bool)
    for since in range(max(0, day - COMPROMISED_TERMINAL_DAYS + 1), day + 1):
        random = random_stream(config, Stream.COMPROMISED_TERMINALS, since)
        count = config.terminals_compromised_daily
        compromised[random.choice(config.terminals, count, replace=False)] = True
    return compromised


def _compromised_customers(config: SimulationConfig, day: int) -> npt.NDArray[np.uint8]:
    """Return, for each customer, how often it was compromised in the days that affect `day`."""
    times = np.zeros(config.customers, dtype=np.uint8)
    for since in range(max(0, day - COMPROMISED_CUSTOMER_DAYS + 1), day + 1):
        random = random_stream(config, Stream.COMPROMISED_CUSTOMERS, since)
        count = config.customers_compromised_daily
        times[random.choice(config.customers, count, replace=False)] += 1
    return times
