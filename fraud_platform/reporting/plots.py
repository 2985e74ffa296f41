"""The common style of all plots: colours, fonts, sizes, and rendering to PNG.

Here: `style()`, `new_figure()`, `figure_png()` and the colours by meaning.
Not here: any particular plot (it is next to the code that computes its values).

`pyplot` is not used: it keeps a process-wide registry of figures, which leaks memory in a
long-lived code server and is not thread-safe.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#7b8794"
GRID = "#e4e7eb"
GENUINE = "#4c78a8"
FRAUD = "#d1495b"
CHAMPION = "#4c78a8"
CHALLENGER = "#e07b39"
BASELINE = "#9aa5b1"
GOOD = "#3c8d5a"
SCENARIO_COLOURS: tuple[str, ...] = ("#4c78a8", "#e0a030", "#d1495b", "#7a5195")
"""By fraud scenario, 0 (genuine) to 3; distinguishable in grey and by colour-blind readers."""
CYCLE: tuple[str, ...] = (CHAMPION, CHALLENGER, GOOD, "#7a5195", FRAUD, "#e0a030", BASELINE)
"""Colours of series without a fixed meaning, in this order."""

PNG_DPI = 100
PNG_COLOURS = 96

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.color": INK,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the common style to everything that is drawn in the `with` block."""
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context({**_RC, "axes.prop_cycle": cycler(color=CYCLE)}):
        yield


def new_figure(width_inches: float = 8.0, height_inches: float = 4.5) -> Figure:
    """Return an empty figure outside of any global registry; call it inside `style()`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches))


def figure_png(figure: Figure) -> bytes:
    """Return a figure as a small PNG with a palette of `PNG_COLOURS` colours.

    Equal figures give equal bytes: the PNG contains no date and no program version.
    """
    from PIL import Image

    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format="png", dpi=PNG_DPI, metadata={"Software": None})
    drawn.seek(0)
    with Image.open(drawn) as image:
        reduced = image.convert("RGB").quantize(PNG_COLOURS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    reduced.save(small, format="png", optimize=True)
    return small.getvalue()
