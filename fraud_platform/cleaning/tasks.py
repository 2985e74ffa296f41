"""The Spark tasks: scanning ids, cleaning a range of lines, writing judged suspects.

Here: functions for `mapInArrow`. A task itself reads its byte range with a `BlockReader` and writes
Parquet files. It returns little to Spark: groups of ids, or one line of JSON with its files
and counts. Rows are never transferred from Python to the JVM, which makes cleaning fast.
Not here: reading a format (`block_readers`, `declared_blocks`), the order of the jobs and what is
done with the files (`drop`, `publish`).
"""

from __future__ import annotations

import functools
import gc
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.cleaning.block_readers import BlockReader, ReadBlock, TextBlock
from fraud_platform.cleaning.classes import ClassCounts, RowClass, class_of_copy
from fraud_platform.cleaning.duplicates import TAKER, SuspectJudge
from fraud_platform.cleaning.ids import Ids, IdSet
from fraud_platform.cleaning.parquet_files import (
    CleanFile,
    LabelFile,
    QuarantineFile,
    RowFile,
    SuspectFile,
    TextFile,
)
from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.reason_words import REASON_NAMES
from fraud_platform.contracts.tables import ID_TEXT
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.rows.canonical import CleanRows
from fraud_platform.rows.judge import REPAIR_BITS
from fraud_platform.rows.lines import LineTooLongError, TextRange

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files

Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]

SCAN_SCHEMA = (
    "low_group long, high_group long, groups binary, bits binary, repeated binary, days string"
)
"""One row for each range: its `IdSet`, as arrays that are null if they are too large to collect,
and about how many rows each day has, as JSON."""

ID_GROUPS_SCHEMA = "id_group long, id_bits long"
"""A group of 64 consecutive ids: `id >> 6`, and one bit for each id in the set."""

MANIFEST_SCHEMA = "manifest string"

_SCAN = pa.schema(
    [("low_group", pa.int64()), ("high_group", pa.int64())]
    + [(name, pa.binary()) for name in ("groups", "bits", "repeated")]
    + [("days", pa.string())]
)


@dataclass(frozen=True)
class Destination:
    """The folders of a drop's files, and the publication that prefixes their names.

    Args:
        clean, quarantine, suspects: URLs of the folders.
        publication: name of the publication.
        labels: URL of the folder of first labels; None if the tasks write no labels.
        clock: the times that determine from when these labels count.
        texts: URL of the folder of texts that integers stand for; None if there are none.
    """

    clean: str
    quarantine: str
    suspects: str
    publication: str
    labels: str | None = None
    clock: LabelClock = field(default_factory=LabelClock)
    texts: str | None = None


def scan_ids(
    files: Files, reader: BlockReader, ranges: Sequence[TextRange], max_groups: int
) -> Task:
    """Return the task that yields the ids and days in each of its ranges (`SCAN_SCHEMA`).

    Both include those of invalid rows. If the set has more than `max_groups` groups or repeated
    ids, its arrays are null.
    """

    def scan(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for part in _ranges_of(batches, ranges):
            days: Counter[int] = Counter()
            sets = []
            for block in _blocks(files, reader, part):
                scanned = reader.scan(block)
                sets.append(IdSet.of(scanned.ids))
                counts = zip(scanned.days.tolist(), scanned.day_rows.tolist(), strict=True)
                days.update(dict(counts))
            ids = IdSet.union(sets)
            is_small = max(len(ids.groups), len(ids.repeated)) <= max_groups
            low, high = (ids.groups.min(), ids.groups.max()) if len(ids.groups) else (None, None)
            row: dict[str, Any] = {"low_group": low, "high_group": high}
            for name, values in vars(ids).items():
                row[name] = values.tobytes() if is_small else None
            row["days"] = json.dumps(list(days.items()))
            yield pa.RecordBatch.from_pylist([row], schema=_SCAN)

    return scan


def scan_id_groups(files: Files, reader: BlockReader, ranges: Sequence[TextRange]) -> Task:
    """Return the task that yields the groups of ids in its ranges (`ID_GROUPS_SCHEMA`).

    An id that occurs more than once is in at least two of the rows.
    """

    def scan(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for part in _ranges_of(batches, ranges):
            for block in _blocks(files, reader, part):
                id_set = IdSet.of(reader.scan(block).ids)
                repeated = IdSet.of(id_set.repeated)
                for groups, bits in ((s.groups, s.bits) for s in (id_set, repeated)):
                    columns = [pa.array(groups), pa.array(bits.view(np.int64))]
                    yield pa.RecordBatch.from_arrays(columns, names=["id_group", "id_bits"])

    return scan


def clean_ranges(
    files: Files,
    reader: BlockReader,
    ranges: Sequence[TextRange],
    destination: Destination,
    shared_ids: Ids | None,
    own_days: DaySpan | None = None,
) -> Task:
    """Return the task that cleans its ranges and yields one manifest for each (`MANIFEST_SCHEMA`).

    Args:
        files: reads and writes files by URL.
        reader: reads the drop's format.
        ranges: all ranges of the drop; a task receives the numbers of its own.
        destination: folders of the files.
        shared_ids: sorted ids whose valid rows are suspects; None makes every valid row a suspect.
        own_days: the drop's own days, outside of which a time is wrong; None bounds nothing.
    """

    def clean(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for part in _ranges_of(batches, ranges):
            output = _Output(files, destination)
            with output, files.open_input(part.url) as file:
                try:
                    for block in reader.blocks(file, part):
                        output.add_block(block, reader.read(block, own_days), shared_ids)
                except LineTooLongError as error:
                    output.too_long_at = error.args[0]
            yield output.manifest()

    return clean


def write_judged(files: Files, destination: Destination) -> Task:
    """Return the task that judges sorted suspects, writes them and yields a manifest."""

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        output, judge = _Output(files, destination), SuspectJudge()
        with output:
            for batch in batches:
                output.add_judged(batch, judge.judge(batch))
        yield output.manifest()

    return write


def _blocks(files: Files, reader: BlockReader, part: TextRange) -> Iterator[Any]:
    # a line that is too long is reported where the same range is cleaned
    with files.open_input(part.url) as file, suppress(LineTooLongError):
        yield from reader.blocks(file, part)


def _ranges_of(
    batches: Iterable[pa.RecordBatch], ranges: Sequence[TextRange]
) -> Iterator[TextRange]:
    _spare_libraries()
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield ranges[number]


@functools.cache
def _spare_libraries() -> None:
    """Exclude the libraries' objects from garbage collection, which Spark runs after each task."""
    gc.freeze()


class _Output:
    """The files that one task writes, and its counts."""

    def __init__(self, files: Files, destination: Destination) -> None:
        publication = destination.publication
        self.clean = CleanFile(files, destination.clean, publication)
        self.quarantine = QuarantineFile(files, destination.quarantine, publication)
        self.suspects = SuspectFile(files, destination.suspects, publication)
        self.labels: LabelFile | None = None
        if destination.labels is not None:
            self.labels = LabelFile(files, destination.labels, publication)
        self.texts: TextFile | None = None
        if destination.texts is not None:
            self.texts = TextFile(files, destination.texts, publication)
        self._clock = destination.clock
        self.counts: Counter[str] = Counter()
        self.days: list[int] = []
        self.classes = ClassCounts()
        self.too_long_at: int | None = None
        self._open = ExitStack()

    @property
    def _files(self) -> dict[str, RowFile]:
        files: dict[str, RowFile] = {
            "clean": self.clean,
            "quarantine": self.quarantine,
            "suspects": self.suspects,
        }
        others = {"labels": self.labels, "texts": self.texts}
        return files | {kind: file for kind, file in others.items() if file is not None}

    def __enter__(self) -> Self:
        for file in self._files.values():
            self._open.enter_context(file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def manifest(self) -> pa.RecordBatch:
        """Return a one-row batch with the files and counts as JSON."""
        written = {kind: file.written() for kind, file in self._files.items()}
        manifest = {
            "files": {kind: asdict(file) for kind, file in written.items() if file is not None},
            "counts": dict(self.counts),
            "days": self.days,
            "classes": self.classes.to_lists(),
            "too_long_at": self.too_long_at,
        }
        return pa.RecordBatch.from_arrays([pa.array([json.dumps(manifest)])], names=["manifest"])

    def add_block(self, block: TextBlock, read: ReadBlock, shared_ids: Ids | None) -> None:
        """Write each row of a block to the clean, suspect or quarantine file; count other lines."""
        self.counts["blank_lines"] += read.blank_lines
        self.counts["comment_lines"] += read.comment_lines
        self.counts["rows_read"] += len(block) - read.blank_lines - read.comment_lines
        bad = read.bad
        self._write_quarantine(bad.reasons, bad.classes, bad.lines, bad.ids)
        self._add_valid(block, read, shared_ids)
        if self.texts is not None:
            for name, texts in read.texts.items():
                codes = read.rows.facts.get(name)
                codes = getattr(read.rows, name) if codes is None else codes
                self.texts.write_new(name, codes, texts)

    def add_judged(self, suspects: pa.RecordBatch, bits: npt.NDArray[np.int64]) -> None:
        """Write judged suspects: kept rows to the clean file, the others to quarantine."""
        kept, copies = suspects.filter(pa.array(bits == 0)), suspects.filter(pa.array(bits != 0))
        seconds = kept["seconds"].to_numpy()
        rows = CleanRows(
            kept["transaction_id"].to_numpy(),
            seconds,
            (seconds // SECONDS_PER_DAY).astype(np.int32),
            kept["customer_id"].to_numpy(),
            kept["terminal_id"].to_numpy(),
            kept["amount_cents"].to_numpy(),
            kept["scenario"].to_numpy(),
            {name: kept[name].to_numpy() for name in SOURCE.fact_names},
        )
        id_texts = kept[ID_TEXT[0].name] if ID_TEXT else None
        self._write_clean(rows, kept["repairs"].to_numpy(), id_texts)
        takers = copies[TAKER].to_pylist() if TAKER in copies.schema.names else [None] * len(copies)
        columns = (copies["seconds"].to_pylist(), copies["scenario"].to_pylist(), takers)
        classes = [class_of_copy(*one) for one in zip(*columns, strict=True)]
        reasons = bits[bits != 0].tolist()
        self._write_quarantine(reasons, classes, copies["raw_line"], copies["transaction_id"])

    def _add_valid(self, block: TextBlock, read: ReadBlock, shared_ids: Ids | None) -> None:
        """Write valid rows to the clean file, but rows with shared ids to the suspect file."""
        rows, repairs = read.rows, read.repairs
        is_suspect = _is_shared(rows.transaction_id, shared_ids)
        if is_suspect is None:
            self._write_clean(rows, repairs, read.id_texts)
            return
        texts = read.id_texts
        lines = [block.line(number) for number in read.numbers[is_suspect].tolist()]
        self.counts["suspect_bytes"] += sum(map(len, lines))
        marks = [0] * len(lines) if repairs is None else repairs[is_suspect].tolist()
        of_suspects = None if texts is None else texts.filter(pa.array(is_suspect))
        self.suspects.write_rows(rows.where(is_suspect), marks, lines, of_suspects)
        rest = None if repairs is None else repairs[~is_suspect]
        of_rest = None if texts is None else texts.filter(pa.array(~is_suspect))
        self._write_clean(rows.where(~is_suspect), rest, of_rest)

    def _write_clean(
        self,
        rows: CleanRows,
        repairs: npt.NDArray[np.int32] | None,
        id_texts: pa.Array | None,
    ) -> None:
        if not len(rows):
            return
        self.clean.write_rows(rows, id_texts)
        if self.labels is not None:
            self.labels.write_first_versions(rows, self._clock)
        self.classes.add_kept(rows)
        self.counts["frauds"] += int(np.count_nonzero(rows.scenario))
        days = [*self.days, int(rows.days.min()), int(rows.days.max())]
        self.days = [min(days), max(days)]
        if repairs is not None:
            for repair, bit in REPAIR_BITS.items():
                self.counts[f"repaired_{repair}"] += int(np.count_nonzero(repairs & bit))

    def _write_quarantine(
        self, reasons: list[int], classes: list[RowClass], lines: Any, ids: Any
    ) -> None:
        self.quarantine.write_rows(reasons, lines, ids)
        firsts = [REASON_NAMES[(bits & -bits).bit_length() - 1] for bits in reasons]
        for first, count in Counter(firsts).items():
            self.counts[f"rejected_{first}"] += count
        self.classes.add_lost(firsts, classes)


def _is_shared(ids: Ids, shared_ids: Ids | None) -> npt.NDArray[np.bool_] | None:
    """Return whether each id is shared, or None if none is."""
    if not len(ids):
        return None
    if shared_ids is None:
        return np.ones(len(ids), np.bool_)
    low, high = np.searchsorted(shared_ids, [ids.min(), ids.max() + 1])
    near = shared_ids[low:high]
    if not len(near):
        return None
    is_shared = near[np.minimum(np.searchsorted(near, ids), len(near) - 1)] == ids
    return is_shared if is_shared.any() else None
