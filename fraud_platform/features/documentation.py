"""The feature declaration as a page for people.

Here: one Markdown table, made from the declaration.
Not here: the declaration (`features.declaration`).
"""

from __future__ import annotations

from fraud_platform.features.declaration import DECLARATION, feature_signature

_INTRODUCTION = """# Features

Every feature is declared once, in `fraud_platform/features/declaration.py`; the batch engine, the
model's signature and this page come from that declaration. In the hour `h` of a transaction,
`customer.x[7d]` sums x over the customer's complete hours `[h - 168, h)` and this hour's earlier
transactions; `known` looks only at labels that count by `h`, over the event hours that lie before
the label delay of 7 days; `terminal.x[7d before 7d]` sums over the same delayed hours. Sums are
integers (cents, counts); one division in float64 gives the value, stored as float32.
"""


def features_markdown() -> str:
    """Return the page: an introduction, the flags and the features with their formulas."""
    flags = [(f.name, f.description, str(f.condition)) for f in DECLARATION.flags]
    features = [(f.name, f.description, str(f.formula)) for f in DECLARATION.features]
    return "\n".join(
        [
            _INTRODUCTION,
            f"Declaration `{feature_signature()[:16]}`, {len(features)} features.\n",
            _table(("feature", "meaning", "formula"), features),
            "\nFlags, frozen when a transaction is scored or its tile is built:\n",
            _table(("flag", "meaning", "condition"), flags),
            "",
        ]
    )


def _table(header: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    lines = [header, ("---", "---", "---")]
    lines += [(f"`{name}`", meaning, f"`{formula}`") for name, meaning, formula in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(features_markdown(), end="")
