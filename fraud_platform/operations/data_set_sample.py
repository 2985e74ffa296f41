"""A sample of a drop read by a declaration, before anything is written.

Here: `read_sample`: rows by reason with their lines, values of columns, features of clean rows.
Not here: comparing declarations and the words for people (`operations.data_set_plan`).
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.cleaning.block_readers import BadRows, TextBlock
from fraud_platform.cleaning.raw_text import RawText, UnpackLimits, open_text
from fraud_platform.contracts.arrays import Labels, Transactions
from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.quarantine_reasons import names_of_bits
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.live.state import LiveState
from fraud_platform.labels.rule import on_time_hour
from fraud_platform.rows.canonical import CleanRows
from fraud_platform.rows.judge import REPAIR_BITS
from fraud_platform.rows.lines import TextRange

MAX_LINES_NAMED = 3
_CHUNK_ROWS = 20_000


@dataclass
class Sample:
    """What a declaration makes of a sample.

    Attributes:
        names: the columns of the file; empty for JSON lines.
        rows: data rows read.
        reasons: rows by each reason that applies.
        lines: the first lines with each reason, numbered from 1.
        repairs: clean rows by repair.
        clean: the clean rows.
        features: of the clean rows, float32 by name, in order of time.
        read_seconds, feature_seconds: CPU time.
    """

    names: tuple[str, ...] = ()
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    repairs: Counter[str] = field(default_factory=Counter)
    clean: CleanRows | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    read_seconds: float = 0.0
    feature_seconds: float = 0.0


def read_sample(data_set: DataSet, drop: Path, most_rows: int, limits: UnpackLimits) -> Sample:
    """Read the first rows of a drop, and compute the features of the clean ones.

    Raises:
        DropUnreadableError: there is no such file, it is empty, or its stream is broken.
        DropHeaderError: its columns differ from the declaration.
    """
    sample = Sample()
    files = ByteFiles()
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_text(files, str(drop.absolute()), scratch, limits, data_set) as text,
    ):
        sample.names = text.header.names
        _read_rows(sample, files, text, most_rows, data_set.source.rule_names)
    if sample.clean is not None and len(sample.clean):
        _compute_features(sample, data_set, sample.clean)
    return sample


def _read_rows(
    sample: Sample, files: ByteFiles, text: RawText, most_rows: int, rules: Sequence[str]
) -> None:
    began = time.process_time()
    start = text.header.body_offset
    part = TextRange(text.url, start, text.size_bytes, start)
    parts: list[CleanRows] = []
    with files.open_input(text.url) as file:
        lines_before = file.read(start).count(b"\n")
        for block in text.reader.blocks(file, part):
            found = text.reader.read(block, None)
            sample.rows += len(found.rows) + len(found.bad.reasons)
            parts.append(found.rows)
            _note_bad(sample, found.bad, block, lines_before, rules)
            for repair, bit in REPAIR_BITS.items():
                if found.repairs is not None:
                    sample.repairs[repair] += int(np.count_nonzero(found.repairs & bit))
            lines_before += len(block)
            if sample.rows >= most_rows:
                break
    sample.clean = _joined(parts)
    sample.read_seconds = time.process_time() - began


def _note_bad(
    sample: Sample, bad: BadRows, block: TextBlock, lines_before: int, rules: Sequence[str]
) -> None:
    if not bad.lines:
        return
    # a reader lists bad rows by how it found them; equal lines have equal reasons
    reasons_of = dict(zip(bad.lines, bad.reasons, strict=True))
    for at in range(len(block)):
        for reason in names_of_bits(reasons_of.get(block.line(at), 0), rules):
            named = sample.lines.setdefault(reason, [])
            if len(named) < MAX_LINES_NAMED:
                named.append(lines_before + at + 1)
    for reasons in bad.reasons:
        sample.reasons.update(names_of_bits(reasons, rules))


def _joined(parts: list[CleanRows]) -> CleanRows:
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in vars(parts[0])
        if name != "facts"
    }
    facts = {n: np.concatenate([p.facts[n] for p in parts]) for n in parts[0].facts}
    return CleanRows(**columns, facts=facts)


def _compute_features(sample: Sample, data_set: DataSet, rows: CleanRows) -> None:
    """Compute features as if the rows came live, with labels known on time."""
    began = time.process_time()
    order = np.lexsort((rows.transaction_id, rows.seconds))
    transactions = Transactions(
        rows.transaction_id, rows.customer_id, rows.terminal_id, rows.seconds, rows.amount_cents,
        rows.facts,
    ).take(order)  # fmt: skip
    state = LiveState(data_set.declaration)
    scenario = rows.scenario[order].astype(np.int64)
    hours = transactions.second // TILE_SECONDS
    labels = Labels(
        hours, on_time_hour(hours), transactions.amount_cents, scenario, np.ones_like(scenario)
    )
    state.add_labels(transactions.customer_id, transactions.terminal_id, labels)
    parts = [
        state.score(transactions.take(np.arange(start, min(start + _CHUNK_ROWS, order.size))))
        for start in range(0, order.size, _CHUNK_ROWS)
    ]
    names = data_set.declaration.names
    sample.features = {n: np.concatenate([part.features[n] for part in parts]) for n in names}
    sample.feature_seconds = time.process_time() - began
