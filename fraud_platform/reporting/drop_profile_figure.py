"""The plot of a drop's profile: six panels in one PNG.

Here: drawing a `DropProfile`.
Not here: its values (`drop_profile`), the common style (`plots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.drops import DROP_DAYS
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.reporting import plots
from fraud_platform.reporting.drop_profile import (
    AMOUNT_EDGES_CENTS,
    BINS_PER_DECADE,
    SCENARIO_NAMES,
    WEEKDAY_NAMES,
    DropProfile,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REASON_NAMES: dict[str, str] = {
    Reason.MALFORMED_ROW: "malformed",
    Reason.NON_POSITIVE_AMOUNT: "amount not positive",
    Reason.CONFLICTING_DUPLICATE_ID: "conflicting copy",
}

_UNIT = 10**SOURCE.amount.digits


def draw_profile(profile: DropProfile) -> bytes:
    """Return the PNG of a profile: amounts, hours, weekdays, days, scenarios, rejected rows."""
    with plots.style():
        figure = plots.new_figure(11.0, 6.4)
        panels = figure.subplots(2, 3)
        _draw_amounts(panels[0, 0], profile)
        _draw_hours(panels[0, 1], profile)
        _draw_weekdays(panels[0, 2], profile)
        _draw_days(panels[1, 0], profile)
        _draw_scenarios(panels[1, 1], profile)
        _draw_rejects(panels[1, 2], profile)
        if not profile.total.rows:
            for axes in panels.flat[:-2]:
                axes.text(0.5, 0.5, "no rows to show", transform=axes.transAxes, ha="center")
        figure.suptitle(_title(profile), x=0.01, ha="left", fontsize=11.5, color=plots.INK)
        return plots.figure_png(figure)


def _title(profile: DropProfile) -> str:
    total = profile.total
    return (
        f"Drop {profile.drop} ({profile.status}): {profile.rows_read:,} rows read, "
        f"{profile.rows_clean:,} clean, {profile.rows_quarantined:,} quarantined; "
        f"{total.frauds:,} frauds ({total.fraud_share:.2%})"
    )


def _draw_amounts(axes: Axes, profile: DropProfile) -> None:
    """Draw a separate distribution for each class, because frauds are few in absolute counts."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    step = 10 ** (1 / BINS_PER_DECADE)
    edges = [AMOUNT_EDGES_CENTS[0] / step, *AMOUNT_EDGES_CENTS, AMOUNT_EDGES_CENTS[-1] * step]
    units = [edge / _UNIT for edge in edges]
    frauds = [count.frauds for count in profile.amounts]
    genuine = [count.rows - count.frauds for count in profile.amounts]
    for counts, colour, name in (
        (genuine, plots.GENUINE, "genuine"),
        (frauds, plots.FRAUD, "fraud"),
    ):
        shares = [100 * n / max(sum(counts), 1) for n in counts]
        axes.stairs(shares, units, fill=True, color=colour, alpha=0.25)
        axes.stairs(shares, units, color=colour, linewidth=1.5, label=name)
    axes.set(title=f"Amount, {SOURCE.amount.currency}", xscale="log", ylabel="% of its class")
    axes.set_xlabel("amount (log)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(FixedLocator([10**power / _UNIT for power in range(1, 7)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", labelsize=8.0)
    axes.legend(loc="upper left")


def _draw_hours(axes: Axes, profile: DropProfile) -> None:
    axes.bar(range(len(profile.hours)), [c.rows for c in profile.hours], color=plots.GENUINE)
    axes.set(title="Hour of the day (UTC)", xlabel="hour", ylabel="rows")
    axes.set_xticks(range(0, len(profile.hours), 6))
    _count_axis(axes)


def _draw_weekdays(axes: Axes, profile: DropProfile) -> None:
    """Draw mean rows a day, because in 30 days some weekdays occur five times, others four."""
    means = [
        count.rows / max(days, 1)
        for count, days in zip(profile.weekdays, profile.weekday_days, strict=True)
    ]
    axes.bar(WEEKDAY_NAMES, means, color=plots.GENUINE)
    axes.set(title="Weekday", ylabel="rows a day")
    _count_axis(axes)


def _draw_days(axes: Axes, profile: DropProfile) -> None:
    days = range(1, DROP_DAYS + 1)
    axes.plot(days, [c.rows for c in profile.days], color=plots.GENUINE)
    axes.set(title="Day of the drop", xlabel="day", ylabel="rows")
    axes.set_ylim(0, 1.15 * max(1, *(c.rows for c in profile.days)))
    axes.set_xlim(1, DROP_DAYS)
    _count_axis(axes)
    share = axes.twinx()
    share.plot(days, [100 * c.fraud_share for c in profile.days], color=plots.FRAUD)
    # Twice the maximum, so that the two lines do not overlap.
    share.set_ylim(0, 200 * max(0.005, *(c.fraud_share for c in profile.days)))
    share.set_ylabel("fraud %", color=plots.FRAUD)
    share.grid(visible=False)
    if profile.rows_elsewhere:
        axes.set_xlabel(f"day ({profile.rows_elsewhere:,} rows on other days)")


def _draw_scenarios(axes: Axes, profile: DropProfile) -> None:
    total = max(sum(profile.scenarios), 1)
    labels = [f"{rows:,}  ({rows / total:.3%})" for rows in profile.scenarios[1:]]
    _bars(axes, SCENARIO_NAMES[1:], profile.scenarios[1:], labels, plots.SCENARIO_COLOURS[1:])
    axes.set(title="Fraud by scenario", xlabel="rows")


def _draw_rejects(axes: Axes, profile: DropProfile) -> None:
    """Draw rejected rows by reason and, below them, the repairs of clean rows."""
    rejects = [(_REASON_NAMES.get(r, r.replace("_", " ")), n) for r, n in profile.rejected]
    repairs = [(r.replace("_", " "), n) for r, n in profile.repaired]
    names, rows = zip(*rejects, *repairs, strict=True)
    colours = [plots.CHALLENGER] * len(rejects) + [plots.GOOD] * len(repairs)
    _bars(axes, names, rows, [f"{n:,}" for n in rows], colours)
    axes.set(title="Rejected, repaired", xlabel="rows")


def _bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[int],
    labels: Sequence[str],
    colours: Sequence[str],
) -> None:
    """Draw labelled horizontal bars, the first at the top, with space for the labels."""
    bars = axes.barh(names, values, color=colours)
    axes.bar_label(bars, labels, padding=3, fontsize=8.5)
    axes.set_xlim(0, 1.7 * max(1, *values))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    _count_axis(axes, which="x")


def _count_axis(axes: Axes, which: str = "y") -> None:
    """Format the axis's counts as 250k or 1.5M."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, integer=True))
    axis.set_major_formatter(EngFormatter(sep=""))
    axis.axes.set(**{f"{which}lim": (0, max(1.0, axis.get_view_interval()[1]))})
