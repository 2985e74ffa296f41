"""The cluster bootstrap: drawing weights, computing replicates in blocks, intervals and tests.

Here: how often each cluster is drawn in each resample, leaving out clusters one by one, degrees of
freedom, the percentile interval, p-values.
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

_BLOCK_VALUES = 250_000
"""Numbers in one block of weights or cells: 2 MB, which fits into a core's cache."""
_BLOCK_LEAST, _BLOCK_MOST = 8, 256
"""Minimum and maximum number of weight vectors in a block."""


def draw_weights(rng: np.random.Generator, n_clusters: int, resamples: int) -> Floats:
    """Return how often each cluster is drawn in n_clusters draws with replacement per resample.

    `scipy.stats.bootstrap` makes the same draws from n_clusters items with this generator.

    Returns:
        Integers as float64, shape (n_clusters, resamples); each column sums to n_clusters.
    """
    drawn = rng.integers(0, n_clusters, size=(resamples, n_clusters))
    # Count resample by resample, so that the counters stay in the cache.
    drawn += np.arange(0, resamples * n_clusters, n_clusters)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * n_clusters)
    return np.ascontiguousarray(counts.reshape(resamples, n_clusters).T, dtype=np.float64)


def weight_blocks(
    rng: np.random.Generator, n_clusters: int, resamples: int, cells: int
) -> Iterator[Floats]:
    """Yield the weights of all resamples in small blocks.

    Args:
        rng: the generator; the draws do not depend on the block size.
        n_clusters: number of clusters, and of draws in a resample.
        resamples: total number of resamples.
        cells: numbers that the caller computes from each weight vector, for the block size.
    """
    block = _block_size(n_clusters, cells)
    for start in range(0, resamples, block):
        yield draw_weights(rng, n_clusters, min(block, resamples - start))


def replicate(
    statistic: Callable[[Floats], Floats],
    rng: np.random.Generator,
    n_clusters: int,
    resamples: int,
    cells: int,
) -> Floats:
    """Return a statistic's values on resamples, shape (..., resamples).

    Args:
        statistic: maps weights of shape (n_clusters, r) to values of shape (..., r).
        rng: the generator of the draws.
        n_clusters: number of clusters, and of draws in a resample.
        resamples: number of resamples.
        cells: numbers that the statistic computes from each weight vector, for the block size.
    """
    blocks = weight_blocks(rng, n_clusters, resamples, cells)
    return np.concatenate([statistic(weights) for weights in blocks], axis=-1)


def leave_one_out(
    statistic: Callable[[Floats], Floats],
    n_clusters: int,
    left_out: npt.NDArray[np.intp],
    cells: int,
) -> Floats:
    """Return a statistic's values without each of the clusters, shape (..., len(left_out)).

    Args:
        statistic: maps weights of shape (n_clusters, r) to values of shape (..., r).
        n_clusters: total number of clusters.
        left_out: indices of the clusters that are left out, one at a time.
        cells: numbers that the statistic computes from each weight vector, for the block size.
    """
    block = _block_size(n_clusters, cells)
    values = []
    for start in range(0, len(left_out), block):
        without = left_out[start : start + block]
        weights = np.ones((n_clusters, len(without)))
        weights[without, np.arange(len(without))] = 0.0
        values.append(statistic(weights))
    return np.concatenate(values, axis=-1)


def degrees_of_freedom(influences: Floats, clusters_for_each: float = 1.0) -> Floats:
    """Return the degrees of freedom of a clustered variance, reduced along the last axis.

    Even with many clusters, a few can account for almost all of a difference; the bootstrap's
    standard deviation is then itself uncertain. Satterthwaite's approximation for the sum of
    squared influences d_c, each assumed normal (so that E d^4 is three times its squared variance),
    is 3 (sum d_c^2)^2 / sum d_c^4. It is infinite if no cluster has an influence.

    Args:
        influences: change of the statistic without each cluster, shape (..., clusters).
        clusters_for_each: number of clusters that each cluster of the sample represents.
    """
    second = np.nansum(influences**2, axis=-1) * clusters_for_each
    fourth = np.nansum(influences**4, axis=-1) * clusters_for_each
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fourth > 0, 3 * second**2 / fourth, np.inf)


def expanded_level(confidence_level: float, freedom: npt.ArrayLike) -> Floats:
    """Return the level at which a percentile interval of few effective clusters has its coverage.

    A percentile interval is as narrow as a normal interval. At the expanded level it is as wide as
    a Student's t interval with these degrees of freedom (Hesterberg, What Teachers Should Know
    About the Bootstrap, The American Statistician 69, 2015, "expanded percentile interval").
    """
    from scipy.stats import norm, t

    student = t.ppf((1 + confidence_level) / 2, np.asarray(freedom, dtype=np.float64))
    return np.asarray(1 - 2 * norm.sf(student), dtype=np.float64)


def percentile_interval(
    replicates: Floats, confidence_level: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Return both bounds of the percentile interval, each of shape (...); NaNs are ignored.

    Args:
        replicates: values on resamples, shape (..., resamples).
        confidence_level: such as .95, a scalar or of shape (...).
    """
    flat = replicates.reshape(-1, replicates.shape[-1])
    tails = (1 - np.broadcast_to(confidence_level, replicates.shape[:-1])) / 2
    ends = np.full((2, len(flat)), np.nan)
    for row, tail, end in zip(flat, tails.ravel(), ends.T, strict=True):
        known = row[~np.isnan(row)]
        if len(known):
            end[:] = np.quantile(known, [tail, 1 - tail])
    low, high = ends.reshape(2, *replicates.shape[:-1])
    return low, high


def two_sided_p_value(z_score: float, freedom: float = float("inf")) -> float:
    """Return the two-sided p-value under Student's t (normal if `freedom` is infinite)."""
    from scipy.stats import t

    return float(2 * t.sf(abs(z_score), freedom))


def holm_adjusted(p_values: npt.ArrayLike) -> Floats:
    """Return Holm's adjusted p-values in the given order; NaN stays NaN and does not count.

    The i-th smallest of m becomes the maximum of (m - j + 1) p_j over j <= i, at most 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _block_size(n_clusters: int, cells: int) -> int:
    return int(np.clip(_BLOCK_VALUES // max(n_clusters, cells), _BLOCK_LEAST, _BLOCK_MOST))
