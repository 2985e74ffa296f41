"""A candidate's plots: precision-recall curve, calibration curve, feature importance.

Here: three figures, returned as PNG bytes.
Not here: the points (`training.curves`), colours and fonts (`reporting.plots`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraud_platform.reporting.plots import CHALLENGER, MUTED, figure_png, new_figure, style

if TYPE_CHECKING:
    from fraud_platform.training.candidate import Candidate

SHOWN_FEATURES = 20


def pr_curve_plot(candidate: Candidate) -> bytes:
    """Draw the precision-recall curve of the threshold days and mark the threshold's recall."""
    curves, threshold = candidate.curves, candidate.threshold
    with style():
        figure = new_figure(6.5, 4.5)
        axes = figure.subplots()
        axes.step(curves.recall, curves.precision, where="post", color=CHALLENGER)
        axes.axvline(threshold.recall, color=MUTED, linestyle=":", linewidth=1.2)
        axes.annotate(
            f"threshold {threshold.value:.3g}:\n{threshold.alerts_per_day:.0f} alerts a day",
            (threshold.recall, 0.05),
            xytext=(4, 0),
            textcoords="offset points",
        )
        axes.set(
            xlim=(0, 1.01),
            ylim=(0, 1.02),
            xlabel="recall (share of frauds that alert)",
            ylabel="precision (share of alerts that are fraud)",
            title=f"Precision and recall, AP {candidate.metrics['average_precision']:.3f}",
        )
        return figure_png(figure)


def calibration_plot(candidate: Candidate) -> bytes:
    """Draw the observed share of frauds over the predicted probability, on logarithmic axes."""
    curves = candidate.curves
    seen = curves.fraud_share > 0
    with style():
        figure = new_figure(5.5, 4.5)
        axes = figure.subplots()
        axes.plot([1e-4, 1], [1e-4, 1], color=MUTED, linestyle=":", linewidth=1.2)
        axes.plot(
            curves.mean_probability[seen], curves.fraud_share[seen], marker="o", color=CHALLENGER
        )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="predicted probability (mean of the bin)",
            ylabel="observed share of frauds",
            title=f"Calibration, Brier {candidate.metrics['brier']:.5f}",
        )
        return figure_png(figure)


def feature_importance_plot(candidate: Candidate) -> bytes:
    """Draw the `SHOWN_FEATURES` features with the largest shares of the gain."""
    ranked = sorted(candidate.importance.items(), key=lambda item: (-item[1], item[0]))
    names, shares = zip(*reversed(ranked[:SHOWN_FEATURES]), strict=True)
    with style():
        figure = new_figure(7.5, 0.6 + 0.26 * len(names))
        axes = figure.subplots()
        axes.barh(range(len(names)), shares, color=CHALLENGER, height=0.7)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="share of the trees' gain", title="Feature importance")
        axes.grid(visible=False, axis="y")
        return figure_png(figure)
