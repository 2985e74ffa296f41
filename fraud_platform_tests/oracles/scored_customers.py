"""Transactions with customers and terminals that differ, and two models that score them.

Here: a generator with known truth for the tests of the comparison: scores and frauds share what is
particular to a customer and to a terminal, so rows are far from independent.
Not here: drops in the contract's format (`fraud_platform.simulation`).
"""

from __future__ import annotations

import numpy as np

from fraud_platform.comparison.inputs import ComparisonRows, ScoredModel

THRESHOLD = 0.1


def scored_rows(
    rng: np.random.Generator,
    customers: int = 1_500,
    terminals: int = 3_000,
    days: int = 7,
    skill: tuple[float, float] = (0.6, 0.5),
    decimals: int = 17,
) -> tuple[ComparisonRows, ScoredModel, ScoredModel]:
    """Return rows, a candidate and a champion; greater skill separates frauds better.

    Compromised customers are defrauded again and again, compromised terminals defraud everyone who
    comes, great amounts are fraud; customers and terminals each shift all of their scores.
    """
    per_customer = rng.poisson(rng.gamma(2.0, 0.85, customers) * days)
    customer = np.repeat(np.arange(customers), per_customer)
    n = len(customer)
    terminal = rng.integers(0, terminals, n)
    cents = np.maximum(1, np.exp(rng.normal(3.7, 0.8, n)) * 100).astype(np.int64)
    scenario = np.zeros(n, dtype=np.int64)
    scenario[(rng.random(customers) < 0.01)[customer] & (rng.random(n) < 0.33)] = 3
    scenario[(rng.random(terminals) < 0.004)[terminal]] = 2
    scenario[cents > 33_000] = 1
    rows = ComparisonRows(
        day=rng.integers(0, days, n),
        transaction_id=rng.permutation(n) + 1_000,
        customer_id=customer + 50,
        terminal_id=terminal,
        amount_cents=cents,
        is_fraud=scenario > 0,
        fraud_scenario=scenario,
    )
    shared = -5 + 0.42 * rng.normal(size=customers)[customer]
    shared += 0.42 * rng.normal(size=terminals)[terminal] + 6.0 * (scenario == 1)
    models = []
    for version, quality in zip(("2", "1"), skill, strict=True):
        by_terminal = 3 * quality + 1.5 * rng.normal(size=terminals)[terminal]
        by_customer = 3 * quality + 1.5 * rng.normal(size=customers)[customer]
        logit = shared + 0.5 * rng.normal(size=n)
        logit += (scenario == 2) * by_terminal + (scenario == 3) * by_customer
        probability = np.round(1 / (1 + np.exp(-logit)), decimals)
        models.append(ScoredModel("fraud", version, probability, THRESHOLD))
    return rows, models[0], models[1]


def exchanged(
    rng: np.random.Generator, cluster: np.ndarray, one: ScoredModel, other: ScoredModel
) -> tuple[ScoredModel, ScoredModel]:
    """Return two models that are alike in law: each cluster's scores change sides by a coin."""
    _, position = np.unique(cluster, return_inverse=True)
    change = (rng.random(position.max() + 1) < 0.5)[position]
    return (
        ScoredModel("fraud", "2", np.where(change, other.probability, one.probability), THRESHOLD),
        ScoredModel("fraud", "1", np.where(change, one.probability, other.probability), THRESHOLD),
    )
