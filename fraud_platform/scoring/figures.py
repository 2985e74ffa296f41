"""Figures of a scoring run: latencies and scores, for people.

Here: percentiles and two histograms.
Not here: where they are shown (`fraud_platform.defs.inference_metadata`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.reporting.plots import FRAUD, GENUINE, figure_png, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
PERCENTILES = (50, 99, 100)


def percentiles_ms(latencies: Sequence[Floats]) -> dict[str, float]:
    """Return p50, p99 and the maximum of latencies in milliseconds; empty without any."""
    joined = np.concatenate([np.zeros(0), *latencies])
    if not joined.size:
        return {}
    names = ("p50", "p99", "max")
    return dict(zip(names, np.percentile(joined, PERCENTILES).round(1).tolist(), strict=True))


def latency_histogram(durable: Sequence[Floats], published: Sequence[Floats]) -> bytes:
    """Draw the latencies from produced to durable and to published, as a PNG."""
    with style():
        figure = new_figure(7.0, 3.2)
        axes = figure.subplots()
        for latencies, colour, label in (
            (durable, GENUINE, "to durable"),
            (published, FRAUD, "to published"),
        ):
            values = np.maximum(np.concatenate([np.zeros(0), *latencies]), 1.0)
            if values.size:
                edges = np.geomspace(1.0, max(values.max(), 10.0), 60).tolist()
                axes.hist(values, edges, histtype="step", color=colour, label=label)
        axes.set_xscale("log")
        _label(axes, "Latency since produced", "milliseconds", "messages")
        if axes.patches:  # of duplicates alone there is nothing to draw
            axes.legend()
        return figure_png(figure)


def score_histogram(probabilities: Sequence[Floats], threshold: float) -> bytes:
    """Draw the distribution of fraud probabilities and the alert threshold, as a PNG."""
    with style():
        figure = new_figure(7.0, 3.2)
        axes = figure.subplots()
        values = np.clip(np.concatenate([np.zeros(0), *probabilities]), 1e-6, 1.0)
        axes.hist(values, np.geomspace(1e-6, 1.0, 60).tolist(), color=GENUINE)
        axes.axvline(threshold, color=FRAUD, label=f"alert at {threshold:.4g}")
        axes.set_xscale("log")
        axes.set_yscale("symlog")
        _label(axes, "Scores", "probability of fraud", "messages")
        axes.legend()
        return figure_png(figure)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
