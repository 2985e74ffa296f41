"""The forest plot of a comparison: paired differences, their intervals, margins, the verdict.

Here: drawing a `ComparisonResult` as a PNG image.
Not here: the common style (`fraud_platform.reporting.plots`), the values
(`fraud_platform.comparison.bootstrap`).
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from fraud_platform.comparison.gate import GateLine, Rule, Verdict
from fraud_platform.comparison.inputs import Role
from fraud_platform.comparison.metrics import TESTED_METRICS
from fraud_platform.comparison.report import ComparisonResult, verdict_words
from fraud_platform.comparison.results import Difference
from fraud_platform.reporting import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_INCHES = 9.6
_ROW_INCHES = 0.62
_HEAD_INCHES = 1.05
_FOOT_INCHES = 0.35
_PLOT_LEFT, _PLOT_RIGHT = 0.25, 0.68
_REASON_LETTERS = 118
_VERDICT_COLOURS = {
    Verdict.PROMOTE: plots.GOOD,
    Verdict.KEEP: plots.FRAUD,
    Verdict.NOT_ENOUGH_EVIDENCE: plots.MUTED,
}


def forest_plot(result: ComparisonResult, against: Role | None = None) -> bytes:
    """Return a PNG image with one row for each tested metric, each on its own scale.

    Better is always to the right: the axis is reversed if a lower value is better. An interval is
    green if it is entirely on the better side of zero, red if on the worse side, else grey. The
    shaded band is the margin of the gate.

    Args:
        result: the comparison.
        against: the reference to show; by default `ComparisonResult.reference`.
    """
    reference = against or result.reference
    gate = {line.metric: line for line in result.gate if line.against is reference}
    reason = textwrap.wrap(result.reason, _REASON_LETTERS)
    head = _HEAD_INCHES + 0.19 * len(reason)
    height = head + _ROW_INCHES * len(TESTED_METRICS) + _FOOT_INCHES
    with plots.style():
        figure = plots.new_figure(_WIDTH_INCHES, height)
        figure.set_layout_engine("none")
        for row, metric in enumerate(TESTED_METRICS):
            top = 1 - (head + _ROW_INCHES * row) / height
            bottom = top - 0.42 * _ROW_INCHES / height
            axes = figure.add_axes((_PLOT_LEFT, bottom, _PLOT_RIGHT - _PLOT_LEFT, top - bottom))
            _draw_row(axes, result.difference(metric, reference), gate.get(metric))
        _write_head(figure, result, reference, reason, height)
        return plots.figure_png(figure)


def _draw_row(axes: Axes, difference: Difference, line: GateLine | None) -> None:
    metric = difference.metric
    colour = _colour(difference)
    axes.axvline(0, color=plots.INK, linewidth=0.9)
    ends = [difference.low, difference.high, 0.0]
    if line is not None and line.rule is Rule.NOT_INFERIOR:
        tolerated = -line.margin if metric.higher_is_better else line.margin
        axes.axvspan(min(tolerated, 0), max(tolerated, 0), color=plots.GRID, zorder=0)
        axes.axvline(tolerated, color=plots.MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
        ends.append(tolerated)
    axes.plot([difference.low, difference.high], [0, 0], color=colour, linewidth=2.4)
    axes.plot([difference.low, difference.high], [0, 0], "|", color=colour, markersize=9)
    axes.plot([difference.value], [0], "s", color=colour, markersize=6.5)
    space = 0.08 * (max(ends) - min(ends)) or 1e-6
    low, high = min(ends) - space, max(ends) + space
    axes.set_xlim((low, high) if metric.higher_is_better else (high, low))
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(axis="x", labelsize=7.5, length=2.5, pad=1.5)
    _write_row(axes, difference, line)


def _write_row(axes: Axes, difference: Difference, line: GateLine | None) -> None:
    metric = difference.metric
    weight = "bold" if line is not None else "normal"
    requirement = "not part of the gate"
    if line is not None and line.rule is Rule.SUPERIOR:
        requirement = f"gate: above 0, {line.outcome}"
    elif line is not None:
        requirement = f"gate: margin {metric.show(line.margin)}, {line.outcome}"
    placed: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "clip_on": False}
    axes.text(-0.06, 0.72, metric.label, ha="right", fontweight=weight, **placed)
    axes.text(-0.06, 0.05, requirement, ha="right", color=plots.MUTED, fontsize=8, **placed)
    figures = metric.show_difference(difference.value, difference.low, difference.high)
    axes.text(1.04, 0.72, figures, ha="left", fontweight=weight, fontsize=9, **placed)
    tested = f"z {difference.z_score:+.2f}, Holm p {difference.p_value_holm:.4f}"
    drawn = f"{tested}, by {difference.clustered_by}"
    axes.text(1.04, 0.05, drawn, ha="left", color=plots.MUTED, fontsize=8, **placed)


def _write_head(
    figure: Any, result: ComparisonResult, reference: Role, reason: list[str], height: float
) -> None:
    def write(inches_from_top: float, text: str, **look: Any) -> None:
        figure.text(0.02, 1 - inches_from_top / height, text, va="top", **look)

    candidate, other = result.model(Role.CANDIDATE), result.model(reference)
    title = f"Candidate {candidate} minus {_named(reference, str(other))}"
    write(0.12, title, fontsize=13, fontweight="bold")
    write(0.42, f"{result.counts}; {result.rules}", fontsize=8.5, color=plots.MUTED)
    colour = _VERDICT_COLOURS[result.verdict]
    write(0.65, verdict_words(result.verdict).capitalize(), fontweight="bold", color=colour)
    write(0.86, "\n".join(reason), fontsize=8.5, linespacing=1.35)
    foot = (
        f"{result.config.confidence_level:.0%} intervals, the wider of customer and terminal "
        "clustering. Better is to the right; shaded: the margin that the gate tolerates."
    )
    figure.text(0.02, 0.1 / height, foot, fontsize=8, color=plots.MUTED, va="bottom")


def _named(role: Role, model: str) -> str:
    return f"champion {model}" if role is Role.CHAMPION else f'baseline "{model}"'


def _colour(difference: Difference) -> str:
    low, high = difference.low, difference.high
    if not difference.metric.higher_is_better:
        low, high = -high, -low
    if low > 0:
        return plots.GOOD
    return plots.FRAUD if high < 0 else plots.MUTED
