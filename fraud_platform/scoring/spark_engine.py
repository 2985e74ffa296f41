"""The engine on Spark: ranges read by its Kafka source, scored in its tasks, files written there.

Here: the plan of one micro-batch, what a task does and hands back.
Not here: scoring itself (`scoring.micro_batch`), the same for both engines; committing and
publishing (`scoring.scorer`).

A task holds whole topic partitions, hence whole customers. Terminals and labels matter one label
delay later, so a micro-batch of less than seven days, which `scoring.peeking` sees to, needs
nothing of its other tasks. Python workers live on between micro-batches, each with a state of its
own that it rolls forward from the committed table; what a task scores is taken in only once it is
committed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.scoring_tables import DEAD_LETTERS, SCORED
from fraud_platform.contracts.tables import DataFile
from fraud_platform.scoring.clock import WINDOW_ROWS, StreamClock
from fraud_platform.scoring.cutting import Ranges
from fraud_platform.scoring.files import write_rows
from fraud_platform.scoring.log import Offsets, ScoredBatch, ScoringLog
from fraud_platform.scoring.micro_batch import BatchContext, PinnedModel, score_messages
from fraud_platform.scoring.peeking import Peeker
from fraud_platform.scoring.recovery import RecoveredState
from fraud_platform.training.integrity import files_digest, read_files, require_digest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.scoring.ports import Source

_RESULT = "manifest string, dead binary, rows binary, first_partition int"
_SOURCE_COLUMNS = ["partition", "offset", "timestamp", "key", "value"]
Excluded = frozenset[tuple[int, int]]
"""Partition and offset of messages whose id an earlier partition holds in the same batch."""


@dataclass(frozen=True)
class TaskPlan:
    """What each task of a micro-batch needs to know; travels to the workers.

    Attributes:
        model: name, version and the files of the candidate, and the digest of these files, which
            each worker checks before it parses them.
    """

    lake: Lake
    number: int
    state_version: str
    horizon_days: int
    model_name: str
    model_version: int
    model_files: Mapping[str, bytes]
    model_sha256: str
    excluded: Excluded


class SparkEngine:
    """Scores micro-batches in Spark's tasks.

    Args:
        spark: the session.
        lake: the tables, on a URL that every worker reaches.
        source_options: how Spark's Kafka source reaches the cluster.
        topic: what is read.
        source: reads a few messages of the topic, to see how far ranges reach.
        state_version: the snapshot to start from.
        duplicate_horizon_days: how long an id stays known, in stream time.
    """

    name = "spark"

    def __init__(
        self,
        spark: SparkSession,
        lake: Lake,
        source_options: Mapping[str, str],
        topic: str,
        source: Source,
        state_version: str,
        duplicate_horizon_days: int,
    ) -> None:
        self._spark, self._lake = spark, lake
        self._source_options, self._topic = source_options, topic
        self._state_version, self._horizon = state_version, duplicate_horizon_days
        self._clock, self._peeker = StreamClock(), Peeker(source)
        self._files: tuple[PinnedModel, Mapping[str, bytes], str] | None = None

    def catch_up(self, log: ScoringLog) -> None:
        """Set the clock; workers bring their states forward when they need them."""
        recent = log.last_seconds(WINDOW_ROWS)
        self._clock = StreamClock(log.last().get("stream_second"), recent)

    def warm_up(self, starts: Offsets, model: PinnedModel) -> None:
        """Nothing to do: a first micro-batch starts the workers, which takes seconds anyway."""

    def forget(self) -> None:
        """Nothing to drop: workers take in what is committed, and nothing else."""

    def committed(self, number: int) -> None:
        """Nothing to note: the table says it."""

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: PinnedModel) -> ScoredBatch:
        """Score `ranges` as far as one hour goes.

        An id that two partitions hold counts in the first of them.

        Args:
            ranges: offsets to read, or a part of them.
            behind: what of the plan remains behind them.
        """
        cut = self._peeker.cut(ranges, behind)
        ends = {p: end for p, (_, end) in cut.items()}
        ranges = {p: (start, end) for p, (start, end) in cut.items() if start < end}
        excluded: Excluded = frozenset()
        results = self._run(ranges, number, model, excluded)
        # without one copy, a task may take the next
        while repeated := _repeated(results):
            excluded |= frozenset(repeated)
            results = self._run(ranges, number, model, excluded)
        counts: Counter[str] = Counter()
        files: list[DataFile] = []
        for result in results:
            manifest = json.loads(result["manifest"])
            counts.update(manifest["counts"])
            files += [DataFile(**file) for file in manifest["files"]]
        self._clock.advance(_seconds_in_order(results))
        dead = pa.concat_tables(
            [DEAD_LETTERS.arrow_schema.empty_table(), *(_read(r["dead"]) for r in results)]
        )
        return ScoredBatch(number, files, dead, dict(counts), ends, self._clock.second)

    def _run(
        self, ranges: Ranges, number: int, model: PinnedModel, excluded: Excluded
    ) -> list[dict[str, Any]]:
        files, sha256 = self._model_files(model)
        plan = TaskPlan(
            self._lake,
            number,
            self._state_version,
            self._horizon,
            model.name,
            model.version,
            files,
            sha256,
            excluded,
        )
        tasks = self._spark_tasks(len(ranges))
        rows = self._source(ranges).coalesce(tasks).mapInArrow(scoring_task(plan), _RESULT)
        found = [row.asDict() for row in rows.collect()]
        return sorted(found, key=lambda result: int(result["first_partition"]))

    def _source(self, ranges: Ranges) -> DataFrame:
        topic = self._topic
        starts = {topic: {str(p): start for p, (start, _) in ranges.items()}}
        ends = {topic: {str(p): end for p, (_, end) in ranges.items()}}
        return (
            self._spark.read.format("kafka")
            .options(**self._source_options)
            .option("kafka.isolation.level", "read_committed")
            .option("assign", json.dumps({topic: sorted(ranges)}))
            .option("startingOffsets", json.dumps(starts))
            .option("endingOffsets", json.dumps(ends))
            .option("failOnDataLoss", "true")
            .load()
            .select(*_SOURCE_COLUMNS)
        )

    def _spark_tasks(self, partitions: int) -> int:
        return min(partitions, int(self._spark.conf.get("spark.sql.shuffle.partitions") or 2))

    def _model_files(self, model: PinnedModel) -> tuple[Mapping[str, bytes], str]:
        """Return the model's files and their digest, as they were registered where it was."""
        if self._files is None or self._files[0] is not model:
            files = model.files
            if not files:
                with TemporaryDirectory() as folder:
                    model.candidate.save(Path(folder))
                    files = read_files(Path(folder))
            self._files = (model, files, files_digest(files))
        return self._files[1:]


def scoring_task(plan: TaskPlan) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the task that scores its messages and writes their file."""

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        messages = _messages(batches)
        if not len(messages):
            return
        model, recovered = _worker_model(plan), _worker_state(plan)
        context = BatchContext(plan.number, model, plan.state_version)
        keep = np.ones(len(messages), dtype=bool)
        if plan.excluded:
            places = zip(messages.partition.tolist(), messages.offset.tolist(), strict=True)
            keep = np.fromiter((at not in plan.excluded for at in places), bool, len(messages))
        own = messages if keep.all() else messages.take(np.flatnonzero(keep))
        batch = score_messages(own, recovered.state.fork(), context)
        files = write_rows(plan.lake.files, plan.lake.uri(SCORED), SCORED, batch.scored)
        counts = Counter(batch.counts)
        counts["messages_read"] += len(messages) - len(own)
        counts["duplicates"] += len(messages) - len(own)
        yield _result(counts, files, batch.scored, batch.dead, int(messages.partition.min()))

    return score


def _messages(batches: Iterable[pa.RecordBatch]) -> Messages:
    """Return a task's messages in order of partition and offset."""
    parts = [
        Messages(
            batch["partition"].to_numpy(),
            batch["offset"].to_numpy(),
            batch["timestamp"].cast(pa.int64()).to_numpy() // 1000,
            batch["key"].to_pylist(),
            batch["value"].to_pylist(),
        )
        for batch in batches
    ]
    joined = Messages.join(parts)
    return joined.take(np.lexsort((joined.offset, joined.partition)))


def _result(
    counts: Mapping[str, int],
    files: list[DataFile],
    scored: pa.Table,
    dead: pa.Table,
    first_partition: int,
) -> pa.RecordBatch:
    manifest = {"counts": dict(counts), "files": [asdict(file) for file in files]}
    names = ("transaction_id", "source_partition", "source_offset", "tx_datetime")
    rows = pa.table({name: scored[name] for name in names})
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
    """Return the event times of the scored rows by partition and offset, whatever the tasks."""
    rows = _rows_of(results)
    if rows is None:
        return np.zeros(0, np.int64)
    order = [(name, "ascending") for name in ("source_partition", "source_offset")]
    return rows.sort_by(order)["tx_datetime"].cast(pa.int64()).to_numpy() // 1_000_000


def _repeated(results: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return partition and offset of rows whose id stands in an earlier partition as well."""
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
"""Of this worker process, kept between tasks: one state, and one model by its digest."""


def _worker_state(plan: TaskPlan) -> RecoveredState:
    key = (plan.lake.url, plan.state_version)
    if key not in _STATES:
        _STATES.clear()
        _STATES[key] = RecoveredState(plan.lake, plan.state_version, plan.horizon_days)
    _STATES[key].catch_up(ScoringLog(plan.lake))
    return _STATES[key]


def _worker_model(plan: TaskPlan) -> PinnedModel:
    """Return the plan's model, loaded from the bytes that came with it, if they came whole.

    Raises:
        ModelDamagedError: they are not those that the driver sent.
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
