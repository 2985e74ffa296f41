"""The feature declaration as a page for people.

Here: one Markdown table, made from the declaration.
Not here: the declaration (`datasets.handbook.features`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DATA_SET, DECLARATION, feature_signature

_INTRODUCTION = """# Features

Each feature is declared once, in `fraud_platform/datasets/handbook/features.py`. The batch engine,
the live state, the signature of models and this page come from that declaration.

In the hour `h` of a transaction, `customer.x[7d]` is the sum of x over the customer's complete
hours `[h - 168, h)` and this hour's earlier transactions. `known` uses only labels that count by
`h`, over the event hours before the label delay of 7 days. `terminal.x[7d before 7d]` is the sum
over the same delayed hours. Sums are integers (cents, counts). One division in float64 gives the
value, which is stored as float32.

All features are computed and stored. A model uses the **{chosen}** in bold
(`FRAUD_MODEL_FEATURES=all` gives it all). They were chosen, with the number of trees and their
regularisation, on folds of the Handbook's drops that end before 2018-06-27 and on simulated
months. They were then measured once on the four folds of `fraud-platform bench quality --drops
DIR`: average precision .777 and AUC ROC .894, compared with .775 and .891 for all features, and
.663 and .867 for the Handbook's 15. The probabilities come from what is published about the
simulator, so they suit data of its kind. Each model learns how much to trust them.
"""


def features_markdown() -> str:
    """Return the page: an introduction, the flags and the features with their formulas."""
    flags = [(_cell(f.name), f.description, str(f.condition)) for f in DECLARATION.flags]
    features = [
        (_cell(f.name, is_bold=f.name in DATA_SET.chosen), f.description, str(f.formula))
        for f in DECLARATION.features
    ]
    return "\n".join(
        [
            _INTRODUCTION.format(chosen=len(DATA_SET.chosen)),
            f"Declaration `{feature_signature()[:16]}`, {len(features)} features.\n",
            _table(("feature", "meaning", "formula"), features),
            "\nFlags, frozen when a transaction is scored or its tile is built:\n",
            _table(("flag", "meaning", "condition"), flags),
            "",
        ]
    )


def _cell(name: str, is_bold: bool = False) -> str:
    return f"**`{name}`**" if is_bold else f"`{name}`"


def _table(header: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    lines = [header, ("---", "---", "---")]
    lines += [(name, meaning, f"`{formula}`") for name, meaning, formula in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(features_markdown(), end="")  # noqa: T201 - a generator prints the page
