"""Writing measurements to `docs/benchmarks.md`, section by section.

Here: replacing one section between its markers.
Not here: measuring (the other modules of this folder).
"""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_PREFACE = (
    "# Benchmarks\n\nEach section is written by one module of `benchmarks/`, whose docstring says "
    "how it measures: most by `make bench`, the soak by `python -m benchmarks.soak`, quality if "
    "`FRAUD_REAL_DROPS` names the Handbook's drops. Compare ratios and CPU time; wall time depends "
    "on other load of the machine.\n"
)


def write_section(title: str, markdown: str, document: Path = DOCUMENT) -> None:
    """Replace the section with this title, or append it; create the file if it is missing."""
    text = document.read_text() if document.exists() else _PREFACE
    key = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    begin, end = f"<!-- begin {key} -->", f"<!-- end {key} -->"
    section = f"{begin}\n## {title}\n\n{markdown.strip()}\n{end}"
    before, marker, rest = text.partition(begin)
    if marker:
        text = before + section + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(text)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are right-aligned numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
