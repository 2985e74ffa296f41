"""The simulated customers and terminals, drawn once for a simulation.

Here: the locations of customers and terminals, how often and how much each customer spends, which
terminals it can reach, and the random streams of a simulation.
Not here: the transactions of a day (`days`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from fraud_platform.simulation.config import SimulationConfig

SIDE = 100.0
MIN_MEAN_AMOUNT, MAX_MEAN_AMOUNT = 5.0, 100.0
_REACH_BLOCK = 65_536


class Stream(IntEnum):
    """The independent random streams; each has its own seed for each day."""

    CUSTOMERS = 0
    TERMINALS = 1
    TRANSACTIONS = 2
    COMPROMISED_TERMINALS = 3
    COMPROMISED_CUSTOMERS = 4
    DIRT = 5


def random_stream(config: SimulationConfig, stream: Stream, day: int = 0) -> np.random.Generator:
    """Return the generator of one stream and day, independent of all other draws."""
    sequence = np.random.SeedSequence(config.seed, spawn_key=(int(stream), day))
    return np.random.Generator(np.random.SFC64(sequence))


@dataclass(frozen=True)
class Population:
    """Customers and the terminals within their reach.

    Shapes: `mean_amount` and `transactions_per_day` are (customers,); the reachable terminals of
    customer c are `reachable[first_reachable[c] : first_reachable[c] + reachable_count[c]]`.
    """

    mean_amount: npt.NDArray[np.float32]
    transactions_per_day: npt.NDArray[np.float64]
    reachable: npt.NDArray[np.int32]
    first_reachable: npt.NDArray[np.int64]
    reachable_count: npt.NDArray[np.int32]


def draw_population(config: SimulationConfig) -> Population:
    """Draw profiles as the Handbook does: uniform locations, mean amounts and transaction rates.

    A customer with no terminal in reach makes no transactions.

    Source: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit Card
    Fraud Detection - Practical Handbook", chapter 3, Transaction data simulator.
    """
    customers = random_stream(config, Stream.CUSTOMERS)
    places = customers.uniform(0, SIDE, (config.customers, 2))
    mean_amount = customers.uniform(MIN_MEAN_AMOUNT, MAX_MEAN_AMOUNT, config.customers)
    per_day = customers.uniform(0, config.max_transactions_per_day, config.customers)
    terminals = random_stream(config, Stream.TERMINALS).uniform(0, SIDE, (config.terminals, 2))
    reachable, counts = _find_reachable(places, terminals, config.radius)
    return Population(
        mean_amount=mean_amount.astype(np.float32),
        transactions_per_day=np.where(counts > 0, per_day, 0.0),
        reachable=reachable,
        first_reachable=np.concatenate(([0], np.cumsum(counts[:-1], dtype=np.int64))),
        reachable_count=counts,
    )


def _find_reachable(
    customers: npt.NDArray[np.float64], terminals: npt.NDArray[np.float64], radius: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the terminals nearer than `radius`, grouped by customer, and each customer's count."""
    from scipy.spatial import KDTree

    tree = KDTree(terminals)
    reachable, counts = [], []
    for start in range(0, len(customers), _REACH_BLOCK):
        block = customers[start : start + _REACH_BLOCK]
        pairs = KDTree(block).sparse_distance_matrix(tree, radius, output_type="ndarray")
        pairs = pairs[pairs["v"] < radius]
        order = np.lexsort((pairs["j"], pairs["i"]))
        reachable.append(pairs["j"][order].astype(np.int32))
        counts.append(np.bincount(pairs["i"], minlength=len(block)).astype(np.int32))
    return np.concatenate(reachable), np.concatenate(counts)
