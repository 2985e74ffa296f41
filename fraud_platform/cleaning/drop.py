"""One drop, from raw text to Parquet files that wait to be committed.

Here: the jobs over one drop: which ids are shared, cleaning its ranges, judging the suspects; the
counts and their conservation.
Not here: what a task does (`tasks`), whether and where the files are committed (`publish`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from fraud_platform.cleaning.duplicates import (
    find_common_ids,
    find_repeated_ids,
    group_stored_ids,
    judge_suspects,
)
from fraud_platform.cleaning.lines import TextRange, split_text
from fraud_platform.cleaning.parquet_files import WrittenFile
from fraud_platform.cleaning.raw_text import RawText
from fraud_platform.cleaning.tasks import (
    ID_GROUPS_SCHEMA,
    MANIFEST_SCHEMA,
    Folders,
    Ids,
    Task,
    clean_ranges,
    scan_ids,
    write_judged,
)
from fraud_platform.contracts.drops import MAX_LINE_BYTES
from fraud_platform.errors import ConservationError, DropUnreadableError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.adapters.files import ByteFiles
    from fraud_platform.cleaning.earlier import EarlierRows

RANGE_BYTES = 64 << 20
MAX_SHARED_IDS = 1_000_000
"""Above this many shared ids every valid row is judged as a suspect: slower, of bounded memory."""


@dataclass
class CleanedDrop:
    """A drop's files, not committed yet, and its counts by ledger column."""

    drop: str
    clean: list[WrittenFile] = field(default_factory=list)
    quarantine: list[WrittenFile] = field(default_factory=list)
    suspects: list[WrittenFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    days: list[int] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        """Data lines that were read."""
        return self.counts["rows_read"]

    @property
    def rows_clean(self) -> int:
        """Rows in the files of clean rows."""
        return sum(file.rows for file in self.clean)

    @property
    def rows_quarantined(self) -> int:
        """Rows in the files of quarantined rows."""
        return sum(file.rows for file in self.quarantine)

    @property
    def first_date(self) -> date | None:
        """Earliest date of the clean rows."""
        return date(1970, 1, 1) + timedelta(days=min(self.days)) if self.days else None

    @property
    def last_date(self) -> date | None:
        """Latest date of the clean rows."""
        return date(1970, 1, 1) + timedelta(days=max(self.days)) if self.days else None

    def add_manifest(self, text: str) -> int | None:
        """Take in what a task reports; return where it met a line that is too long."""
        manifest = json.loads(text)
        for kind in ("clean", "quarantine", "suspects"):
            if manifest[kind] is not None:
                getattr(self, kind).append(WrittenFile(**manifest[kind]))
        self.counts.update(manifest["counts"])
        self.days.extend(manifest["days"])
        return manifest["too_long_at"]


def clean_text(
    spark: SparkSession,
    files: ByteFiles,
    drop: str,
    text: RawText,
    folders: Folders,
    earlier: EarlierRows,
) -> CleanedDrop:
    """Clean a drop's text into files under `folders`.

    Args:
        earlier: clean rows of the drops before this one.

    Raises:
        DropUnreadableError: it holds no data row, or a line that is too long.
        ConservationError: rows read and rows written differ.
    """
    ranges = split_text(text.url, text.header.body_offset, text.size_bytes, RANGE_BYTES)
    cleaned = CleanedDrop(drop)
    try:
        shared_ids, overlapping = _shared_ids(spark, files, ranges, earlier)
        _collect(spark, clean_ranges(files, ranges, folders, shared_ids), len(ranges), cleaned)
        if cleaned.suspects:
            suspects = spark.read.parquet(*[file.url for file in cleaned.suspects])
            judged = judge_suspects(suspects, overlapping)
            _collect_judged(judged, write_judged(files, folders), cleaned)
        cleaned.counts["blank_lines"] += text.header.blank_lines
        cleaned.counts["comment_lines"] += 1  # The header, in whatever form it came.
        _check(cleaned)
    except BaseException:
        discard(files, cleaned)
        raise
    return cleaned


def discard(files: ByteFiles, cleaned: CleanedDrop) -> None:
    """Remove files that will not be committed."""
    for file in (*cleaned.clean, *cleaned.quarantine, *cleaned.suspects):
        files.remove(file.url)


def _shared_ids(
    spark: SparkSession, files: ByteFiles, ranges: Sequence[TextRange], earlier: EarlierRows
) -> tuple[Ids | None, DataFrame | None]:
    """Return the ids that stand more than once (None: too many to name), and whose they are.

    The second value is the rows of earlier drops that may share ids; None where none can.
    """
    from pyspark.sql import functions as F

    id_groups = (
        spark.range(0, len(ranges), 1, len(ranges))
        .mapInArrow(scan_ids(files, ranges), ID_GROUPS_SCHEMA)
        .persist()
    )
    try:
        bounds = id_groups.agg(F.min("id_group"), F.max("id_group")).first()
        if bounds is None or bounds[0] is None:
            return np.empty(0, np.int64), None
        overlapping = earlier.between(spark, bounds[0] * 64, bounds[1] * 64 + 63)
        shared = find_repeated_ids(id_groups)
        if overlapping is not None:
            shared = shared.union(find_common_ids(id_groups, group_stored_ids(overlapping)))
        found = shared.distinct().limit(MAX_SHARED_IDS + 1).toArrow().column(0).to_numpy()
        return (None if len(found) > MAX_SHARED_IDS else np.sort(found)), overlapping
    finally:
        id_groups.unpersist()


def _collect(spark: SparkSession, task: Task, tasks: int, cleaned: CleanedDrop) -> None:
    manifests = spark.range(0, tasks, 1, tasks).mapInArrow(task, MANIFEST_SCHEMA).collect()
    too_long = [cleaned.add_manifest(row.manifest) for row in manifests]
    offsets = [offset for offset in too_long if offset is not None]
    if offsets:
        raise DropUnreadableError(
            f"drop {cleaned.drop}: expected lines of at most {MAX_LINE_BYTES} bytes, found a "
            f"longer one at byte {min(offsets)} of its text. Deliver the file again."
        )


def _collect_judged(judged: DataFrame, task: Task, cleaned: CleanedDrop) -> None:
    for row in judged.mapInArrow(task, MANIFEST_SCHEMA).collect():
        cleaned.add_manifest(row.manifest)


def _check(cleaned: CleanedDrop) -> None:
    """Raise unless every line that was read lies in exactly one file, under the counted reason."""
    rejected = sum(n for name, n in cleaned.counts.items() if re.match("rejected_", name))
    if not cleaned.rows_read:
        raise DropUnreadableError(
            f"drop {cleaned.drop}: expected data rows behind the header, found none. "
            "Deliver the file again or move it to rejected/."
        )
    if (
        cleaned.rows_read != cleaned.rows_clean + cleaned.rows_quarantined
        or rejected != cleaned.rows_quarantined
    ):
        raise ConservationError(
            f"drop {cleaned.drop}: expected rows_read = rows_clean + rejected by reason, found "
            f"{cleaned.rows_read} read, {cleaned.rows_clean} clean, {cleaned.rows_quarantined} "
            f"quarantined, {rejected} counted by reason. Nothing was published; run it again, "
            "and if it stays, keep the raw file and report it."
        )
