"""Cleaning one drop, from raw text to uncommitted Parquet files.

Here: the Spark jobs over one drop: finding shared ids, cleaning its ranges, judging suspects; the
counts and the check that they are conserved.
Not here: what a task does (`tasks`), whether and where the files are committed (`publish`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.cleaning.block_readers import BlockReader
from fraud_platform.cleaning.classes import ClassCounts
from fraud_platform.cleaning.duplicates import (
    SUSPECT_ORDER,
    find_common_ids,
    find_repeated_ids,
    group_stored_ids,
    order_suspects,
)
from fraud_platform.cleaning.ids import IDS_PER_GROUP, Ids, IdSet
from fraud_platform.cleaning.parquet_files import (
    CLEAN_DDL,
    SUSPECT_DDL,
    SUSPECT_SCHEMA,
)
from fraud_platform.cleaning.raw_text import RawText
from fraud_platform.cleaning.stored import StoredFile, read_files
from fraud_platform.cleaning.tasks import (
    ID_GROUPS_SCHEMA,
    MANIFEST_SCHEMA,
    SCAN_SCHEMA,
    Destination,
    Task,
    clean_ranges,
    scan_id_groups,
    scan_ids,
    write_judged,
)
from fraud_platform.contracts.drops import MAX_LINE_BYTES
from fraud_platform.contracts.own_days import DaySpan, central_days, own_days
from fraud_platform.contracts.time import numbered_day
from fraud_platform.errors import ConservationError, DropUnreadableError
from fraud_platform.rows.lines import TextRange, split_text
from fraud_platform.tables.data_files import WrittenFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.contracts.ports import Files

RANGE_BYTES = 64 << 20
SMALLEST_RANGE_BYTES = 4 << 20
RANGES_OF_A_SMALL_DROP = 4
"""A drop is divided into ranges of `RANGE_BYTES`, a small one into this many for several cores."""

MAX_ID_GROUPS = 4_000_000
"""If a drop has more groups of ids (64 MB), Spark compares its ids, not this process."""
MAX_SUSPECT_BYTES = 64 << 20
"""If the suspects' lines are larger than this, Spark sorts them, not this process."""

MAX_SHARED_IDS = 1_000_000
"""If there are more shared ids, every valid row is a suspect: slower, but memory is bounded."""


KINDS = ("clean", "quarantine", "suspects", "labels", "texts")
"""The kinds of files that a drop is cleaned into."""


@dataclass
class CleanedDrop:
    """A drop's uncommitted files, and its counts by ledger column."""

    drop: str
    clean: list[WrittenFile] = field(default_factory=list)
    quarantine: list[WrittenFile] = field(default_factory=list)
    suspects: list[WrittenFile] = field(default_factory=list)
    labels: list[WrittenFile] = field(default_factory=list)
    texts: list[WrittenFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    days: list[int] = field(default_factory=list)
    classes: ClassCounts = field(default_factory=ClassCounts)
    central: DaySpan | None = None

    @property
    def rows_read(self) -> int:
        """Number of data lines in the drop."""
        return self.counts["rows_read"]

    @property
    def rows_clean(self) -> int:
        """Number of rows in the files of clean rows."""
        return sum(file.rows for file in self.clean)

    @property
    def rows_quarantined(self) -> int:
        """Number of rows in the files of quarantined rows."""
        return sum(file.rows for file in self.quarantine)

    @property
    def first_date(self) -> date | None:
        """Earliest date of the clean rows."""
        return numbered_day(min(self.days)) if self.days else None

    @property
    def last_date(self) -> date | None:
        """Latest date of the clean rows."""
        return numbered_day(max(self.days)) if self.days else None

    def add_manifest(self, text: str) -> int | None:
        """Add a task's files and counts; return the offset of a too long line, or None."""
        manifest = json.loads(text)
        for kind, file in manifest["files"].items():
            getattr(self, kind).append(WrittenFile(**file))
        self.counts.update(manifest["counts"])
        self.days.extend(manifest["days"])
        self.classes.add(ClassCounts.of_lists(manifest["classes"]))
        return manifest["too_long_at"]


def clean_text(
    spark: SparkSession,
    files: Files,
    drop: str,
    text: RawText,
    destination: Destination,
    earlier: Sequence[StoredFile],
) -> CleanedDrop:
    """Clean a drop's text into files of the destination; on an error the files are removed.

    Args:
        spark: session that runs the jobs.
        files: reads and writes files by URL.
        drop: the drop's key.
        text: the drop's plain text.
        destination: folders of the files.
        earlier: files of clean rows of the drops that are earlier by name.

    Raises:
        DropUnreadableError: the text has no data row, or a line that is too long.
        ConservationError: the numbers of rows read and written differ.
    """
    share = max(text.size_bytes // RANGES_OF_A_SMALL_DROP, SMALLEST_RANGE_BYTES)
    range_bytes = min(share, RANGE_BYTES)
    ranges = split_text(text.url, text.header.body_offset, text.size_bytes, range_bytes)
    cleaned = CleanedDrop(drop)
    reader = text.reader
    try:
        scan = scan_ids(files, reader, ranges, MAX_ID_GROUPS // len(ranges))
        numbers = spark.range(0, len(ranges), 1, len(ranges))
        scanned = numbers.mapInArrow(scan, SCAN_SCHEMA).toArrow()
        rows_by_day = _rows_by_day(scanned)
        cleaned.central = central_days(rows_by_day)
        own = _bounded(own_days(rows_by_day), cleaned.central, text.arrived_on)
        shared_ids, overlapping = _shared_ids(spark, files, reader, ranges, scanned, earlier)
        task = clean_ranges(files, reader, ranges, destination, shared_ids, own)
        _collect(spark, task, len(ranges), cleaned)
        if cleaned.suspects:
            _judge(spark, files, destination, overlapping, cleaned)
        cleaned.counts["blank_lines"] += text.header.blank_lines
        # a header counts as a comment, also without `#`
        cleaned.counts["comment_lines"] += text.header.is_line
        _check(cleaned)
    except BaseException:
        discard(files, cleaned)
        raise
    return cleaned


def discard(files: Files, cleaned: CleanedDrop, kinds: Sequence[str] = KINDS) -> None:
    """Remove uncommitted files of these kinds."""
    for kind in kinds:
        for file in getattr(cleaned, kind):
            files.remove(file.url)


def _rows_by_day(scanned: pa.Table) -> Counter[int]:
    rows: Counter[int] = Counter()
    for days in scanned["days"].to_pylist():
        rows.update(dict(json.loads(days)))
    return rows


def _bounded(
    own: DaySpan | None, central: DaySpan | None, arrived_on: int | None
) -> DaySpan | None:
    """Return a drop's own days up to the day after it arrived: nothing later can have happened.

    Drops that lie in the future as a whole, as those of a simulation may, are not bounded so.
    """
    if own is None or central is None or arrived_on is None or central.last > arrived_on:
        return own
    return DaySpan(own.first, min(own.last, arrived_on + 1))


def _shared_ids(
    spark: SparkSession,
    files: Files,
    reader: BlockReader,
    ranges: Sequence[TextRange],
    id_sets: pa.Table,
    earlier: Sequence[StoredFile],
) -> tuple[Ids | None, DataFrame | None]:
    """Return the ids that occur more than once, and the earlier rows that may share ids.

    Args:
        id_sets: what `scan_ids` returned for the ranges.

    Returns:
        The sorted ids that occur twice in the drop or also in an earlier drop, None if there are
        more than `MAX_SHARED_IDS`; and the rows of earlier files whose id range overlaps, None if
        there is no such file.
    """
    numbers = spark.range(0, len(ranges), 1, len(ranges))
    low, high = pc.min(id_sets["low_group"]).as_py(), pc.max(id_sets["high_group"]).as_py()
    if low is None:
        return np.empty(0, np.int64), None
    first, last = low * IDS_PER_GROUP, (high + 1) * IDS_PER_GROUP - 1
    near = [file for file in earlier if file.meets(first, last)]
    overlapping = read_files(spark, near, CLEAN_DDL)
    read_groups = partial(
        numbers.mapInArrow, scan_id_groups(files, reader, ranges), ID_GROUPS_SCHEMA
    )
    shared = _repeated_ids(id_sets, read_groups)
    if shared is not None and overlapping is not None:
        common = _collect_ids(find_common_ids(read_groups(), group_stored_ids(overlapping)))
        shared = None if common is None else np.union1d(shared, common)
    if shared is not None and len(shared) > MAX_SHARED_IDS:
        shared = None
    return shared, overlapping


def _repeated_ids(id_sets: pa.Table, read_groups: Callable[[], DataFrame]) -> Ids | None:
    """Return the ids that occur twice in the text; computed by Spark if the sets are too large."""
    if id_sets["groups"].null_count:
        return _collect_ids(find_repeated_ids(read_groups()))
    sets = [
        IdSet(
            np.frombuffer(row["groups"], np.int64),
            np.frombuffer(row["bits"], np.uint64),
            np.frombuffer(row["repeated"], np.int64),
        )
        for row in id_sets.to_pylist()
    ]
    return IdSet.union(sets).repeated


def _collect_ids(ids: DataFrame) -> Ids | None:
    """Return the sorted distinct ids, or None if there are more than `MAX_SHARED_IDS`."""
    collected = ids.distinct().limit(MAX_SHARED_IDS + 1).toArrow().column(0).to_numpy()
    return None if len(collected) > MAX_SHARED_IDS else np.sort(collected)


def _collect(spark: SparkSession, task: Task, tasks: int, cleaned: CleanedDrop) -> None:
    manifests = spark.range(0, tasks, 1, tasks).mapInArrow(task, MANIFEST_SCHEMA).collect()
    too_long = [cleaned.add_manifest(row.manifest) for row in manifests]
    offsets = [offset for offset in too_long if offset is not None]
    if offsets:
        raise DropUnreadableError(
            f"drop {cleaned.drop}: expected lines of at most {MAX_LINE_BYTES} bytes, found a "
            f"longer one at byte {min(offsets)} of its text. Deliver the file again."
        )


def _judge(
    spark: SparkSession,
    files: Files,
    destination: Destination,
    overlapping: DataFrame | None,
    cleaned: CleanedDrop,
) -> None:
    """Judge the suspects; in this process if they are few and no earlier drop may share ids."""
    task = write_judged(files, destination)
    is_small = cleaned.counts["suspect_bytes"] <= MAX_SUSPECT_BYTES
    if overlapping is None and is_small:
        tables = []
        for suspects in cleaned.suspects:
            with files.open_input(suspects.url) as file:
                tables.append(pq.read_table(file, schema=SUSPECT_SCHEMA))
        ordered = pa.concat_tables(tables).sort_by([(name, "ascending") for name in SUSPECT_ORDER])
        for batch in task(ordered.combine_chunks().to_batches()):
            cleaned.add_manifest(batch["manifest"][0].as_py())
        return
    urls = [file.url for file in cleaned.suspects]
    rows = spark.read.schema(SUSPECT_DDL).parquet(*urls)
    for row in order_suspects(rows, overlapping).mapInArrow(task, MANIFEST_SCHEMA).collect():
        cleaned.add_manifest(row.manifest)


def _check(cleaned: CleanedDrop) -> None:
    """Raise unless every data line is in exactly one file, and counted under its reason."""
    rejected = sum(n for name, n in cleaned.counts.items() if re.match("rejected_", name))
    if not cleaned.rows_read:
        raise DropUnreadableError(
            f"drop {cleaned.drop}: expected data rows after the header, found none. "
            "Deliver the file again or move it to rejected/."
        )
    if (
        cleaned.rows_read != cleaned.rows_clean + cleaned.rows_quarantined
        or rejected != cleaned.rows_quarantined
    ):
        raise ConservationError(
            f"drop {cleaned.drop}: expected rows_read = rows_clean + rejected by reason, found "
            f"{cleaned.rows_read} read, {cleaned.rows_clean} clean, {cleaned.rows_quarantined} "
            f"quarantined, {rejected} counted by reason. Nothing was published. Run it again; if "
            "the error persists, keep the raw file and report it."
        )
