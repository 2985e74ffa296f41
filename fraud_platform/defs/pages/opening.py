"""The beginning of an asset's page: one sentence with the answer, then a short table.

Here: the order of a materialization's metadata, readable numbers.
Not here: the figures (each asset's module), tables and pictures as metadata (`defs.pages.tables`).

The UI shows metadata in the given order, below the columns of the definition if it has any: a table
of 70 columns hid every answer. So columns are metadata too (`defs.pages.tables.table_spec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from fraud_platform.defs.pages.tables import small_table

HEADLINE, SUMMARY = "headline", "summary"
_MOST_FACTS = 8


def page(sentence: str, facts: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a materialization's metadata: the sentence, the facts as a table, then the rest.

    Args:
        facts: at most eight values by name; numbers are formatted for people.
    """
    if len(facts) > _MOST_FACTS:
        raise ValueError(f"expected at most {_MOST_FACTS} facts, found {len(facts)}")
    rows = [{"what": what, "value": spelt(value)} for what, value in facts.items()]
    return {HEADLINE: dg.MetadataValue.text(sentence), SUMMARY: small_table(rows), **rest}


def spelt(value: Any) -> str:
    """Return a readable value: with thousands separators and few decimals."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return "none" if value is None else str(value)
