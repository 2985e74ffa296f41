"""The engine on Spark: its tasks read ranges, score them and write files.

Here: the plan of one micro-batch, the work of a task and its result.
Not here: scoring itself (`scoring.engines.micro_batch`), the same for both engines; committing and
publishing (`scoring.scorer`).

A task uses the reader of the in-process engine, so both engines see the same messages: Spark's own
Kafka source fails a whole plan over one timestamp that is not in ms. A task holds whole topic
partitions, and so whole customers. Terminals and labels matter one label delay later, so in a
micro-batch of less than seven days (see `scoring.messages.peeking`) no task needs the rows of
another. Python workers are reused between micro-batches. Each has its own state, which it rolls
forward from the committed table; the rows that a task scores enter the state after their commit.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform import errors
from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.model_files import files_digest, read_files, require_digest
from fraud_platform.contracts.tables import DataFile
from fraud_platform.errors import FraudPlatformError
from fraud_platform.rows.exceptions import Exceptions, known_exceptions
from fraud_platform.scoring.engines.micro_batch import BatchContext, PinnedModel, score_decoded
from fraud_platform.scoring.log import Offsets, ScoredBatch, ScoringLog, carried_in
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.peeking import Peeker
from fraud_platform.scoring.messages.time_letters import TimeBounds, bound_times, carried_over
from fraud_platform.scoring.state.recovery import RecoveredState
from fraud_platform.stream import scored_counts
from fraud_platform.stream.batching import Ranges, with_followers
from fraud_platform.stream.clock import WINDOW_ROWS, StreamClock, resumed
from fraud_platform.stream.event_time import Carried, sane_arrivals
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fraud_platform.scoring.ports import Source, SourceOpener, StateTables

_RESULT = "manifest string, dead binary, rows binary, first_partition int"
Excluded = frozenset[tuple[int, int]]
"""Partition and offset of messages whose id is also in an earlier partition of the batch."""


@dataclass(frozen=True)
class TaskPlan:
    """The input of the tasks of a micro-batch, sent to the workers.

    Attributes:
        model: name, version and files of the candidate, and the digest of these files, which each
            worker checks before it parses them.
        shares: each task's ranges, with the messages after them that are evidence.
        ends: the end offset of the micro-batch, by partition.
        carried: see `stream.event_time.Carried`.
        exceptions: keys whose surrogate is not their hash.
    """

    lake: StateTables
    opener: SourceOpener
    shares: list[dict[int, tuple[int, int]]]
    ends: Mapping[int, int]
    carried: Carried
    max_ahead: int
    number: int
    state_version: str
    horizon_days: int
    model_name: str
    model_version: int
    model_files: Mapping[str, bytes]
    model_sha256: str
    excluded: Excluded
    exceptions: Exceptions


class SparkEngine:
    """Scores micro-batches in Spark's tasks.

    Args:
        spark: the session.
        lake: the tables, on a URL that every worker reaches.
        opener: opens the topic in a worker.
        source: reads a few messages of the topic, to find the event times at the ends of ranges.
        state_version: the snapshot to start from.
        duplicate_horizon_days: how long an id is remembered, in stream time.
        max_ahead: seconds that an event may lie ahead; see `stream.event_time`.
    """

    name = "spark"

    def __init__(
        self,
        spark: SparkSession,
        lake: StateTables,
        opener: SourceOpener,
        source: Source,
        state_version: str,
        duplicate_horizon_days: int,
        max_ahead: int,
    ) -> None:
        self._spark, self._lake, self._opener = spark, lake, opener
        self._max_ahead, self._carried = max_ahead, cast("Carried", {})
        self._state_version, self._horizon = state_version, duplicate_horizon_days
        self._exceptions: Exceptions = {}
        self._clock, self._peeker = StreamClock(), Peeker(source)
        self._files: tuple[PinnedModel, Mapping[str, bytes], str] | None = None

    def catch_up(self, log: ScoringLog) -> None:
        """Set the clock; workers roll their states forward when they need them."""
        self._clock = resumed(log.last(), log.last_seconds(WINDOW_ROWS))
        self._carried = carried_in(log.last())
        self._exceptions = known_exceptions(self._lake)

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Do nothing: the first micro-batch starts the workers, which takes seconds anyway."""

    def forget(self) -> None:
        """Do nothing: the states of workers hold committed rows only."""

    def committed(self, number: int) -> None:
        """Do nothing: workers read the committed rows from the table."""

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: PinnedModel) -> ScoredBatch:
        """Score the part of `ranges` that lies within one hour.

        If two partitions hold the same id, the one in the first partition counts.

        Args:
            ranges: offsets to read, or a part of them.
            behind: the rest of the plan after them.
        """
        cut = self._peeker.cut(ranges, behind)
        ends = {p: end for p, (_, end) in cut.items()}
        ranges = {p: (start, end) for p, (start, end) in cut.items() if start < end}
        excluded: Excluded = frozenset()
        after = {p: (end, behind.get(p, (end, end))[1]) for p, end in ends.items()}
        results = self._run(ranges, after, number, model, excluded)
        # once one copy is excluded, a task may score the next copy
        while repeated := _repeated(results):
            excluded |= frozenset(repeated)
            results = self._run(ranges, after, number, model, excluded)
        counts: Counter[str] = Counter()
        files, days = list[DataFile](), list[scored_counts.DayCounts]()
        carried = {p: kept for p, kept in self._carried.items() if p not in ranges}
        for result in results:
            manifest = json.loads(result["manifest"])
            counts.update(manifest["counts"])
            files += [DataFile(**file) for file in manifest["files"]]
            days.append(scored_counts.from_json(manifest["days"]))
            carried |= {int(p): tuple(kept) for p, kept in manifest["carried"].items()}
        self._clock.advance(_seconds_in_order(results))
        dead = pa.concat_tables(
            [DEAD_LETTERS.arrow_schema.empty_table(), *(_read(r["dead"]) for r in results)]
        )
        self._carried = carried
        clock, by_day = self._clock, scored_counts.sum_counts(days)
        ended = (clock.second, carried, by_day, clock.front)
        return ScoredBatch(number, files, dead, dict(counts), ends, *ended)

    def _run(
        self, ranges: Ranges, after: Ranges, number: int, model: PinnedModel, excluded: Excluded
    ) -> list[dict[str, Any]]:
        files, sha256 = self._model_files(model)
        shares = _shares(with_followers(ranges, after), self._spark_tasks(len(ranges)))
        plan = TaskPlan(
            self._lake,
            self._opener,
            shares,
            {p: end for p, (_, end) in ranges.items()},
            self._carried,
            self._max_ahead,
            number,
            self._state_version,
            self._horizon,
            model.name,
            model.version,
            files,
            sha256,
            excluded,
            self._exceptions,
        )
        numbers = self._spark.range(0, len(shares), 1, len(shares))
        rows = numbers.mapInArrow(scoring_task(plan), _RESULT)
        found = [row.asDict() for row in rows.collect()]
        for result in found:
            _raise_error(json.loads(result["manifest"]))
        return sorted(found, key=lambda result: int(result["first_partition"]))

    def _spark_tasks(self, partitions: int) -> int:
        return min(partitions, int(self._spark.conf.get("spark.sql.shuffle.partitions") or 2))

    def _model_files(self, model: PinnedModel) -> tuple[Mapping[str, bytes], str]:
        """Return the model's files and digest; the registered digest if it has one."""
        if self._files is None or self._files[0] is not model:
            files = model.files
            if not files:
                with TemporaryDirectory() as folder:
                    model.candidate.save(Path(folder))
                    files = read_files(Path(folder))
            self._files = (model, files, files_digest(files))
        return self._files[1:]


def scoring_task(plan: TaskPlan) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the task that reads and scores its shares and writes their file."""

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch["id"].to_pylist():
                try:
                    result = _score_share(plan, plan.shares[number])
                except FraudPlatformError as error:
                    # Spark would pass on the text only, and retry a data error
                    _close_source()
                    result = _failure(error)
                if result is not None:
                    yield result

    return score


def _score_share(plan: TaskPlan, share: Ranges) -> pa.RecordBatch | None:
    messages, is_odd = _read_share(plan, share)
    if not len(messages):
        return None
    state = _worker_state(plan).state
    context = BatchContext(plan.number, _worker_model(plan), plan.state_version)
    raw = decode(messages.keys, messages.values, plan.exceptions)
    bounds = TimeBounds(state.clock, plan.carried, plan.max_ahead, state.was_scored)
    decoded = bound_times(messages, raw, bounds)
    at = list(zip(messages.partition.tolist(), messages.offset.tolist(), strict=True))
    is_own = np.fromiter((offset < plan.ends[p] for p, offset in at), bool, len(at))
    keep = is_own.copy()
    if plan.excluded:
        keep &= np.fromiter((place not in plan.excluded for place in at), bool, len(at))
    own = messages.take(np.flatnonzero(keep))
    odd = int(np.count_nonzero(is_odd & keep))
    batch = score_decoded(own, decoded.where(keep), state.fork(), context, odd)
    files = write_rows(plan.lake.files, plan.lake.uri(SCORED), SCORED, batch.scored)
    counts, n_excluded = Counter(batch.counts), int(np.count_nonzero(is_own)) - len(own)
    counts["messages_read"] += n_excluded
    counts["duplicates"] += n_excluded
    manifest = {
        "counts": dict(counts),
        "files": [asdict(file) for file in files],
        "carried": carried_over(messages, raw, is_own, _of_share(bounds, share)),
        "days": scored_counts.as_json(scored_counts.count_rows(batch.scored)),
    }
    return _result(manifest, batch.scored, batch.dead, int(messages.partition.min()))


def _read_share(plan: TaskPlan, share: Ranges) -> tuple[Messages, npt.NDArray[np.bool_]]:
    """Return a task's messages by partition and offset, and which had odd timestamps."""
    joined = Messages.join(list(_worker_source(plan).read(share)))
    messages = joined.take(np.lexsort((joined.offset, joined.partition)))
    arrivals, is_odd = sane_arrivals(messages.timestamp_ms, time.time_ns() // 1_000_000)
    return messages.stamped(arrivals), is_odd


def _of_share(bounds: TimeBounds, share: Ranges) -> TimeBounds:
    return replace(bounds, carried={p: k for p, k in bounds.carried.items() if p in share})


def _shares(ranges: Ranges, tasks: int) -> list[dict[int, tuple[int, int]]]:
    """Return each task's ranges: the largest range first, to the task with the fewest messages."""
    shares: list[dict[int, tuple[int, int]]] = [{} for _ in range(max(1, tasks))]
    sizes = [0] * len(shares)
    for p, (start, end) in sorted(ranges.items(), key=lambda r: (r[1][0] - r[1][1], r[0])):
        least = sizes.index(min(sizes))
        shares[least][p] = (start, end)
        sizes[least] += end - start
    return shares


def _failure(error: FraudPlatformError) -> pa.RecordBatch:
    manifest = {"error": type(error).__name__, "message": str(error)}
    empty = pa.table({})
    return _result(manifest, empty, empty, -1)


def _raise_error(manifest: Mapping[str, Any]) -> None:
    """Raise a task's error with its original class, because a data error is never retried."""
    if "error" in manifest:
        raise getattr(errors, manifest["error"])(manifest["message"])


def _result(
    manifest: Mapping[str, Any], scored: pa.Table, dead: pa.Table, first_partition: int
) -> pa.RecordBatch:
    names = ("transaction_id", "source_partition", "source_offset", "tx_datetime")
    rows = scored.select([name for name in names if name in scored.column_names])
    columns = [
        pa.array([json.dumps(manifest)]),
        pa.array([_written(dead)], pa.binary()),
        pa.array([_written(rows)], pa.binary()),
        pa.array([first_partition], pa.int32()),
    ]
    return pa.RecordBatch.from_arrays(columns, [f.split()[0] for f in _RESULT.split(", ")])


def _rows_of(results: list[dict[str, Any]]) -> pa.Table | None:
    return pa.concat_tables([_read(result["rows"]) for result in results]) if results else None


def _seconds_in_order(results: list[dict[str, Any]]) -> npt.NDArray[np.int64]:
    """Return the event times of the scored rows of all tasks, by partition and offset."""
    rows = _rows_of(results)
    if rows is None:
        return np.zeros(0, np.int64)
    order = [(name, "ascending") for name in ("source_partition", "source_offset")]
    return rows.sort_by(order)["tx_datetime"].cast(pa.int64()).to_numpy() // 1_000_000


def _repeated(results: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return partition and offset of rows whose id is also in an earlier partition."""
    rows = _rows_of(results)
    if rows is None or len(results) == 1:
        return []
    ids = rows["transaction_id"].to_numpy()
    partition, offset = (rows[n].to_numpy() for n in ("source_partition", "source_offset"))
    order = np.lexsort((offset, partition, ids))
    again = order[1:][ids[order][1:] == ids[order][:-1]]
    return list(zip(partition[again].tolist(), offset[again].tolist(), strict=True))


def _written(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _read(stream: bytes) -> pa.Table:
    return pa.ipc.open_stream(stream).read_all()


_STATES: dict[tuple[str, str], RecoveredState] = {}
_MODELS: dict[str, PinnedModel] = {}
_SOURCES: dict[SourceOpener, Source] = {}
"""Kept between the tasks of a worker process: one state, one model by digest, one reader."""


def _worker_source(plan: TaskPlan) -> Source:
    if plan.opener not in _SOURCES:
        _close_source()
        _SOURCES[plan.opener] = plan.opener.open()
    return _SOURCES[plan.opener]


def _close_source() -> None:
    for source in _SOURCES.values():
        source.close()
    _SOURCES.clear()


def _worker_state(plan: TaskPlan) -> RecoveredState:
    key = (plan.lake.url, plan.state_version)
    if key not in _STATES:
        _STATES.clear()
        _STATES[key] = RecoveredState(plan.lake, plan.state_version, plan.horizon_days)
    _STATES[key].catch_up(ScoringLog(plan.lake))
    return _STATES[key]


def _worker_model(plan: TaskPlan) -> PinnedModel:
    """Return the plan's model, loaded from the bytes in the plan after their digest was checked.

    Raises:
        ModelDamagedError: the bytes differ from those that the driver sent.
    """
    key = f"{plan.model_name} {plan.model_version} {plan.model_sha256}"
    if key not in _MODELS:
        from fraud_platform.training.candidate import Candidate

        require_digest(
            f"{plan.model_name} {plan.model_version}",
            plan.model_sha256,
            files_digest(plan.model_files),
            "the scoring run",
        )
        with TemporaryDirectory() as folder:
            for name, content in plan.model_files.items():
                (Path(folder) / name).write_bytes(content)
            _MODELS.clear()
            candidate = Candidate.load(folder)
        _MODELS[key] = PinnedModel(plan.model_name, plan.model_version, candidate)
    return _MODELS[key]
