"""Cluster bootstrap: weights drawn, replicates computed block by block, intervals taken.

Here: how often each cluster is drawn in each resample, the percentile interval, the test.
Not here: the metrics of a weight vector (`fraud_platform.comparison.replicates`).

Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13, for the
percentile interval; Cameron, Gelbach and Miller, Bootstrap-based improvements for inference with
clustered errors (2008), for drawing clusters whole; Holm, A simple sequentially rejective multiple
test procedure (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK_VALUES = 2_000_000
"""Numbers that one block of weights or cells may hold: 16 MB."""


def draw_weights(rng: np.random.Generator, n_clusters: int, resamples: int) -> Floats:
    """Return how often each cluster is drawn, n_clusters draws with replacement a resample.

    The draws are those that `scipy.stats.bootstrap` makes of n_clusters items with this generator.

    Returns:
        Whole numbers, shape (n_clusters, resamples); each column sums to n_clusters.
    """
    drawn = rng.integers(0, n_clusters, size=(resamples, n_clusters))
    drawn *= resamples
    drawn += np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_clusters * resamples)
    return counts.reshape(n_clusters, resamples).astype(np.float64)


def weight_blocks(
    rng: np.random.Generator, n_clusters: int, resamples: int, cells: int
) -> Iterator[Floats]:
    """Yield the weights of all resamples in blocks that bound the memory.

    Args:
        rng: the generator; the draws do not depend on the size of the blocks.
        n_clusters: clusters to draw from and to draw.
        resamples: resamples in all.
        cells: numbers that the receiver makes of each weight vector.
    """
    block = int(np.clip(_BLOCK_VALUES // max(n_clusters, cells), 1, 256))
    for start in range(0, resamples, block):
        yield draw_weights(rng, n_clusters, min(block, resamples - start))


def replicate(
    statistic: Callable[[Floats], Floats],
    rng: np.random.Generator,
    n_clusters: int,
    resamples: int,
    cells: int,
) -> Floats:
    """Return a statistic's values over resamples, the resamples along the last axis.

    Args:
        statistic: from weights of shape (n_clusters, r) to values of shape (..., r).
        rng: the generator of the draws.
        n_clusters: clusters to draw.
        resamples: how many.
        cells: numbers that the statistic makes of each weight vector.
    """
    blocks = weight_blocks(rng, n_clusters, resamples, cells)
    return np.concatenate([statistic(weights) for weights in blocks], axis=-1)


def percentile_interval(replicates: Floats, confidence_level: float) -> tuple[Floats, Floats]:
    """Return the two-sided percentile interval along the last axis; NaN replicates are left out.

    Args:
        replicates: values over resamples, shape (..., resamples).
        confidence_level: such as .95.
    """
    tail = (1 - confidence_level) / 2
    low, high = _quantiles(replicates, tail), _quantiles(replicates, 1 - tail)
    return low, high


def two_sided_p_value(z_score: float) -> float:
    """Return the chance of a standard normal value at least as far from 0."""
    from scipy.stats import norm

    return float(2 * norm.sf(abs(z_score)))


def holm_adjusted(p_values: npt.ArrayLike) -> Floats:
    """Return Holm's adjusted p-values, in the order given; NaN stays NaN and does not count.

    The i-th smallest of m becomes the greatest of (m - j + 1) p_j over j <= i, at most 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _quantiles(replicates: Floats, share: float) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.asarray(np.nanquantile(replicates, share, axis=-1), dtype=np.float64)
