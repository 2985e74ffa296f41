"""Which features of Delta Lake a table may have here.

Here: `require_plain`.
Not here: opening tables (`adapters.tables.lake`).

Counts are read from the log's list of files, readers read Parquet files by that list, and writers
write such files. A deletion vector hides rows of a file from all of that, column mapping renames
its columns, and other features ask for more in each commit than is written here.
"""

from __future__ import annotations

from deltalake import DeltaTable

from fraud_platform.errors import TableFeatureError

_READER, _WRITER = 1, 2
_UNDERSTOOD = {"appendOnly", "invariants"}
_SWITCHES = {
    "deletionVectors": "delta.enableDeletionVectors",
    "columnMapping": "delta.columnMapping.mode",
    "changeDataFeed": "delta.enableChangeDataFeed",
    "rowTracking": "delta.enableRowTracking",
    "inCommitTimestamp": "delta.enableInCommitTimestamps",
}
_OFF = ("", "false", "none")


def require_plain(handle: DeltaTable, name: str) -> None:
    """Return if the table has no feature beyond those that the platform makes tables with.

    Raises:
        TableFeatureError: it names the features and the way back.
    """
    protocol = handle.protocol()
    listed = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    is_old = protocol.min_reader_version <= _READER and protocol.min_writer_version <= _WRITER
    if is_old or (listed and listed <= _UNDERSTOOD):
        return
    properties = handle.metadata().configuration
    switched = {n for n, key in _SWITCHES.items() if properties.get(key, "").lower() not in _OFF}
    found = sorted((listed - _UNDERSTOOD) | switched)
    versions = f"{protocol.min_reader_version} and {protocol.min_writer_version}"
    raise TableFeatureError(
        f"table {name}: expected a Delta table of reader version {_READER} and writer version "
        f"{_WRITER} at most, found {versions} with {', '.join(found) or 'no feature by name'}. "
        "Counts and rows that are read here would be wrong, so the table is not used. "
        f"{_remedy(name, found)}"
    )


def _remedy(name: str, features: list[str]) -> str:
    if not features:
        return "Restore it from a backup, or have its drops and topics read again."
    steps = [
        f"ALTER TABLE {name} UNSET TBLPROPERTIES ('{_SWITCHES[feature]}')"
        for feature in features
        if feature in _SWITCHES
    ]
    if "deletionVectors" in features:
        steps.append(f"REORG TABLE {name} APPLY (PURGE)")
    steps += [f"ALTER TABLE {name} DROP FEATURE {feature}" for feature in features]
    return f"In Spark SQL: {'; '.join(steps)}."
