"""The page of features says what the declaration says."""

from __future__ import annotations

from pathlib import Path

from fraud_platform.features.documentation import features_markdown
from fraud_platform.features.lineage import column_sources

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_the_declaration():
    assert PAGE.read_text() == features_markdown(), (
        "write it anew: python -m fraud_platform.features.documentation > docs/features.md"
    )


def test_every_column_of_a_feature_table_knows_what_it_is_made_from():
    from fraud_platform.contracts.catalog import ALL_TABLES

    tables = {table.name: table for table in ALL_TABLES}
    for name in ("transaction_features", "customer_tiles", "terminal_tiles"):
        assert set(column_sources(tables[name])) == set(tables[name].column_names)
        for pairs in column_sources(tables[name]).values():
            for upstream, column in pairs:
                known = tables["drop_labels" if upstream == "labels" else upstream]
                assert column in known.column_names
