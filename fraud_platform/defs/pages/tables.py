"""Tables as Dagster shows them: schema, lineage, rows, and the metadata of a write.

Here: turning a `TableContract` and a commit into metadata values.
Not here: the contracts (`contracts.tables`).
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from fraud_platform.adapters.storage.failures import first_line
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract

OWNERS = ["team:fraud-data"]
COLUMNS = "columns"
"""With Dagster's own key all columns would precede the answer, see `defs.pages.opening`."""


def schema_of(contract: TableContract) -> dg.TableSchema:
    """Return the contract's columns as Dagster's table schema."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                c.type,
                description=c.description,
                constraints=dg.TableColumnConstraints(
                    nullable=c.nullable, unique=contract.key == (c.name,)
                ),
            )
            for c in contract.columns
        ]
    )


def lineage_of(
    contract: TableContract, sources: Mapping[str, Sequence[tuple[str, str]]]
) -> dg.TableColumnLineage:
    """Return column lineage from (asset, column) pairs by column of the contract."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(dg.AssetKey(asset), name) for asset, name in pairs]
            for column, pairs in sources.items()
            if column in contract.column_names
        }
    )


def table_spec(
    contract: TableContract,
    group: str,
    deps: Sequence[Any],
    kinds: set[str],
    lineage: Mapping[str, Sequence[tuple[str, str]]],
    name: str | None = None,
    skippable: bool = False,
) -> dg.AssetSpec:
    """Return the spec of an asset that is a table, from its contract."""
    return dg.AssetSpec(
        key=name or contract.name,
        group_name=group,
        deps=deps,
        kinds=kinds,
        owners=OWNERS,
        description=contract.description,
        skippable=skippable,
        metadata={
            COLUMNS: schema_of(contract),
            "dagster/column_lineage": lineage_of(contract, lineage),
            "dagster/table_name": contract.name,
        },
    )


def written(lake: Lake, contract: TableContract, **values: Any) -> dict[str, Any]:
    """Return the metadata of a table after a write: its URL, version and size."""
    handle = lake.open(contract)
    files = [] if handle is None else pa.table(handle.get_add_actions())["size_bytes"].to_pylist()
    return {
        "dagster/uri": lake.uri(contract),
        "table_version": -1 if handle is None else handle.version(),
        "table_bytes": sum(files),
        **{key: rounded(value) for key, value in values.items()},
    }


def shown_or_warned(
    log: logging.Logger, what: str, show: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return the metadata that a function makes after a commit, or a warning instead.

    The data is already committed, so a plot that cannot be drawn must not fail the run.

    Args:
        what: the name of the shown thing, for people.
    """
    try:
        return show()
    except Exception as error:  # noqa: BLE001 - a page never fails its run
        warning = (
            f"{what} could not be shown ({type(error).__name__}: {first_line(error)[:500]}). "
            "The data is committed; materialize the asset again to see it."
        )
        log.warning(warning)
        return {f"warning: {what}": warning}


def rounded(value: Any, digits: int = 4) -> Any:
    """Round a float for people (the UI prints every digit); return other values unchanged."""
    return round(value, digits) if isinstance(value, float) else value


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as metadata that the UI shows inline."""
    encoded = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")


def small_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return rows as a table that the UI shows inline."""
    # Dagster infers the columns from the first record, and an empty table has none
    empty = None if rows else dg.TableSchema(columns=[])
    return dg.MetadataValue.table(
        [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows], schema=empty
    )


def _cell(value: Any) -> str | int | float | bool:
    return rounded(value) if isinstance(value, str | int | float | bool) else str(value)
