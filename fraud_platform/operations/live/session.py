"""A scorer with its clients: Kafka, the lake, the model of a plan.

Here: opening and closing what a scoring run or `score --follow` needs.
Not here: the order of steps (`fraud_platform.scoring.scorer`), planning
(`fraud_platform.operations.live.planning`).
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import follower, name_of
from fraud_platform.adapters.kafka.producers import TransactionalProducer
from fraud_platform.adapters.kafka.reader import RangeReader, TopicOpener
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.models.storing import MODEL_NAME
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.messages import lease_of
from fraud_platform.errors import FencedError, Outage, TopicChangedError
from fraud_platform.scoring.engines.inprocess import InProcessEngine
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.label_intake import Landings
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.plans import TopicNow, check_topic
from fraud_platform.scoring.publishing import Publication, Topics
from fraud_platform.scoring.scorer import Engine, Scorer
from fraud_platform.settings import Settings
from fraud_platform.stream.clock import front_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession


ANSWER_SECONDS = 30.0
_WHOLE_LOOK_SECONDS = 60.0


def load_model(registry: ModelRegistry, version: int, expected: str | None = None) -> PinnedModel:
    """Load a registered model version once; its files are checked before they are parsed.

    Args:
        registry: the registry that has the version and its digest.
        version: the version number.
        expected: the version's digest in the promotion history, if the history names one.

    Raises:
        UnknownModelError: there is no such version.
        ModelDamagedError: its files are missing, or differ from those that were registered.
        SchemaMismatchError: it was trained on another feature declaration.
    """
    from fraud_platform.contracts.model_files import read_files
    from fraud_platform.training.candidate import Candidate

    named = {} if expected is None else {"expected": expected}
    with registry.candidate_folder(version, **named) as folder:
        return PinnedModel(MODEL_NAME, version, Candidate.load(folder), read_files(folder))


def topic_now(topics: KafkaTopics, name: str) -> TopicNow:
    """Return the topic's current id and offsets, as the broker reports them."""
    return TopicNow(name, topics.describe(name).topic_id, topics.offsets(name))


def read_highs(settings: Settings) -> dict[int, tuple[int, int]]:
    """Return lowest and next offset of each partition of the transactions topic."""
    topics = KafkaTopics(KafkaConnection.from_settings(settings))
    try:
        return topics.offsets(settings.transactions_topic)
    finally:
        topics.close()


def holder(kind: str) -> str:
    """Return a readable name of this scorer: kind, process, host."""
    return name_of(kind, os.getpid())


def names_of(settings: Settings, topic_id: str) -> Topics:
    """Return the names of scoring's topics, as publishing needs them."""
    return Topics(
        settings.transactions_topic,
        settings.predictions_topic,
        settings.dead_letters_topic,
        settings.labels_topic,
        topic_id,
    )


@contextmanager
def open_publication(
    settings: Settings, lake: Lake, topics: KafkaTopics, answer_seconds: float = ANSWER_SECONDS
) -> Iterator[Publication]:
    """Open the publication; it does not take the lease yet.

    Raises:
        TopicChangedError: the transactions topic is missing.
        Outage: a topic to publish to is missing; scoring continues once the topic exists.
    """
    names = names_of(settings, topics.topic_id(settings.transactions_topic))
    # a client waits half a minute for a missing topic, and its error does not name the topic
    for name in (names.predictions, names.dead_letters, names.labels):
        try:
            topics.describe(name)
        except TopicChangedError as error:
            raise Outage(str(error)) from None
    connection = KafkaConnection.from_settings(settings)
    publisher = TransactionalProducer(connection, lease_of(names.transactions), answer_seconds)
    try:
        yield Publication(ScoringLog(lake), publisher, topics, names)
    finally:
        publisher.close()


@contextmanager
def open_scorer(
    settings: Settings,
    lake: Lake,
    state_version: str,
    kind: str,
    spark: Callable[[], SparkSession] | None = None,
    answer_seconds: float = ANSWER_SECONDS,
    gives_way: bool = False,
) -> Iterator[Scorer]:
    """Open a scorer that holds the lease; its clients are closed after the block.

    Labels that wait on their topic are landed first.

    Raises:
        TopicChangedError, OffsetGapError: reading cannot continue where it stopped.
        Outage: Kafka or the lake does not answer, or a topic to publish to is missing.
        FencedError: another scorer follows, and `gives_way` is set.

    Args:
        state_version: the snapshot to start from.
        kind: kind of the scorer, for messages to people.
        spark: opens the session of the Spark engine; None scores in this process.
        answer_seconds: how long Kafka may stay silent before that is an outage.
        gives_way: do not take the lease from a follower. One may have started since this run
            was requested, and losing the lease would end it.
    """
    connection = KafkaConnection.from_settings(settings)
    topic = settings.transactions_topic
    with (
        closing(KafkaTopics(connection)) as topics,
        open_publication(settings, lake, topics, answer_seconds) as publication,
        RangeReader(connection, topic, stall_seconds=answer_seconds) as source,
    ):
        engine: Engine = InProcessEngine(
            lake,
            source,
            state_version,
            settings.duplicate_horizon_days,
            settings.max_ahead_seconds,
        )
        if spark is not None:
            from fraud_platform.scoring.engines.spark import SparkEngine

            engine = SparkEngine(
                spark(),
                lake,
                TopicOpener(connection.portable(), topic, answer_seconds),
                source,
                state_version,
                settings.duplicate_horizon_days,
                settings.max_ahead_seconds,
            )
        scorer = Scorer(lake, engine, publication, settings.max_batch_messages, holder(kind))
        LabelIntake(settings, lake, topics).take_in(front_in(scorer.log.last()))
        if gives_way and (other := follower(connection, topic)):
            raise FencedError(f"{other} scores. The plan is requested again after its end.")
        scorer.start()
        # read only now: the previous holder of the lease may have committed more
        metadata = scorer.log.last()
        check_topic(topic_now(topics, topic), metadata.get("topic_id"), offsets_in(metadata))
        yield scorer


class LabelIntake:
    """Lands the new labels of the labels topic on each call.

    Args:
        lake: the tables.
        topics: the broker's topics.
    """

    def __init__(self, settings: Settings, lake: Lake, topics: KafkaTopics) -> None:
        self._connection = KafkaConnection.from_settings(settings)
        self._topic, self._topics = settings.labels_topic, topics
        self._landings = Landings(lake)
        self._ends: dict[int, int] = {}
        self._looked_at = -math.inf

    def take_in(self, front_second: int | None) -> dict[str, int]:
        """Land the labels that arrived; return the numbers of good and dead ones.

        If the topic has not grown, this takes one request; once a minute the topic is read whole.

        Args:
            front_second: the stream's front, seconds since 1970.

        Raises:
            OffsetGapError, TopicChangedError: reading cannot continue where it stopped.
        """
        total = Counter(labels=0, dead_labels=0)
        is_looked_at = time.monotonic() - self._looked_at < _WHOLE_LOOK_SECONDS
        if is_looked_at and self._topics.ends(self._topic, self._ends) == self._ends:
            return dict(total)
        looked_at, self._looked_at = time.monotonic(), -math.inf
        with RangeReader(self._connection, self._topic) as source:
            while any((landed := self._landings.land(source, self._ask, front_second)).values()):
                total.update(landed)
        self._looked_at = looked_at
        return dict(total)

    def _ask(self) -> TopicNow:
        """Return the topic as the broker reports it, and keep its end offsets."""
        now = topic_now(self._topics, self._topic)
        self._ends = {p: end for p, (_, end) in now.offsets.items()}
        return now
