"""Figures of a scoring run: latencies and scores, for people.

Here: percentiles and two histograms.
Not here: the page that shows them (`fraud_platform.defs.pages.inference`).
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
    """Draw the latencies from produced to durable and to published, as a PNG.

    Args:
        durable, published: milliseconds, for at least one message.
    """
    from matplotlib.ticker import LogLocator

    kinds = {
        "to durable": (np.concatenate(durable), GENUINE),
        "to published": (np.concatenate(published), FRAUD),
    }
    edges = _whole_decades([values for values, _ in kinds.values()])
    between = (2, 5) if edges[-1] <= 1_000 * edges[0] else ()
    with style():
        figure = new_figure(7.0, 3.2)
        axes = figure.subplots()
        for label, (values, colour) in kinds.items():
            axes.hist(np.maximum(values, 1.0), edges, histtype="step", color=colour, label=label)
        axes.set_xscale("log")
        axes.set_xlim(edges[0], edges[-1])
        axes.xaxis.set_minor_locator(LogLocator(subs=between))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter("{x:,.0f}")
        _label(axes, "Latency since produced", "milliseconds", "messages")
        axes.legend()
        return figure_png(figure)


def _whole_decades(latencies: Sequence[Floats]) -> list[float]:
    """Return bin edges over the whole powers of ten that contain the values; the least is 1."""
    values = np.maximum(np.concatenate(latencies), 1.0)
    first, last = np.floor(np.log10([values.min(), values.max()]))
    return np.logspace(first, last + 1, 61).tolist()


def score_histogram(probabilities: Sequence[Floats], threshold: float) -> bytes:
    """Draw the distribution of fraud probabilities and the alert threshold, as a PNG.

    Args:
        probabilities: the probabilities of at least one message.
    """
    with style():
        figure = new_figure(7.0, 3.2)
        axes = figure.subplots()
        values = np.clip(np.concatenate(probabilities), 1e-6, 1.0)
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
