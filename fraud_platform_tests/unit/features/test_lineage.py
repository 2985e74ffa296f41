"""The source columns of features, as the lineage page shows them."""

from __future__ import annotations

from fraud_platform.features.lineage import column_sources


def test_every_column_of_a_feature_table_has_existing_source_columns() -> None:
    from fraud_platform.tables.catalog import ALL_TABLES

    tables = {table.name: table for table in ALL_TABLES}
    for name in ("transaction_features", "customer_tiles", "terminal_tiles"):
        assert set(column_sources(tables[name])) == set(tables[name].column_names)
        for pairs in column_sources(tables[name]).values():
            for upstream, column in pairs:
                known = tables["drop_labels" if upstream == "labels" else upstream]
                assert column in known.column_names
