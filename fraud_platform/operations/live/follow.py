"""`score --follow`: the in-process engine in a loop, with a report to Dagster once a minute.

Here: the loop, the champion's hot swap, taking in labels, when to report.
Not here: scoring (`fraud_platform.scoring.scorer`), the mark that keeps the sensor out
(`adapters.kafka.follower_mark`), sending reports to Dagster (`defs.pages.follow_reports`).
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import FollowerMark, living_follower
from fraud_platform.adapters.kafka.open_transactions import uncommitted
from fraud_platform.adapters.kafka.topics import Topics as KafkaTopics
from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.patience import Patience
from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import FencedError, Outage, PromotionError
from fraud_platform.operations.live.reports import Report, Reports
from fraud_platform.operations.live.session import (
    LabelIntake,
    holder,
    load_model,
    open_scorer,
    topic_now,
)
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.scoring.log import offsets_in
from fraud_platform.scoring.plans import TopicNow, check_topic
from fraud_platform.scoring.scorer import Progress
from fraud_platform.scoring.state.recovery import NO_SNAPSHOT
from fraud_platform.scoring.state.snapshot import newest_snapshot
from fraud_platform.settings import Settings
from fraud_platform.stream.clock import front_in

if TYPE_CHECKING:
    from fraud_platform.scoring.engines.micro_batch import PinnedModel

REPORT_SECONDS = 60.0
LOOK_SECONDS = 5.0
_WAITS_LONG_SECONDS = 5.0
"""An open transaction of a producer is reported only after this time."""
ANSWER_SECONDS = 10.0
"""Kafka may take this long before it counts as an outage and the work is restarted."""


def follow(
    settings: Settings,
    registry: ModelRegistry,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool],
    report_to: Callable[[Settings], AbstractContextManager[Reports]],
) -> Progress:
    """Score live transactions until stopped; return the total progress.

    `report_to` opens the receiver of the reports, as soon as a champion exists.

    An outage of Kafka, the lake or MLflow is waited out at any point: afterwards everything is
    opened again from the committed state, as after a restart.

    Raises:
        PromotionError: there is no champion.
        ChampionMismatchError, RegistryLostError: registry and promotion history disagree.
        FencedError: another scorer follows, or took over.
        DataError: incoming or stored data stops scoring.
    """
    patience = Patience(say, is_stopped)
    with ExitStack() as kept:
        loop = _Loop(settings, registry, kept, patience, say, report_to)
        try:
            while not is_stopped():
                try:
                    loop.run(is_stopped)
                except Outage as outage:
                    patience.wait(outage)
        finally:
            loop.report()
    return loop.total


class _Watch:
    """Polls the champion alias in a thread, and loads a new champion before it is needed."""

    def __init__(
        self, registry: ModelRegistry, model: PinnedModel, lake: Lake | None = None
    ) -> None:
        self.model = model
        self._registry, self._lake = registry, lake
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.problem = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        # a registry that does not answer must not delay the end
        self._thread.join(LOOK_SECONDS)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                version, *digest = self._champion()
                if version is not None and version != self.model.version:
                    self.model = load_model(self._registry, version, *digest)
                self.problem = ""
            except Exception as error:  # noqa: BLE001 - see the next line
                # the current model stays in use: a registry failure must not stop scoring
                self.problem = f"the champion's watch: {type(error).__name__}: {error}"

    def _champion(self) -> tuple[int | None] | tuple[int | None, str | None]:
        """Return the champion's version, and the digest of its files if the history names it."""
        if self._lake is None:
            return (self._registry.alias(CHAMPION),)
        champion = find_champion(self._lake, self._registry).require()
        return champion.version, champion.sha256


class _Loop:
    """Scores in sessions: each opens everything that scoring needs, and an outage ends it.

    Args:
        kept: keeps open, over all sessions, everything that survives an outage.
        patience: is notified when work continues.
    """

    def __init__(
        self,
        settings: Settings,
        registry: ModelRegistry,
        kept: ExitStack,
        patience: Patience,
        say: Callable[[str], None],
        report_to: Callable[[Settings], AbstractContextManager[Reports]],
    ) -> None:
        self._report_to = report_to
        self._settings, self._registry, self._lake = settings, registry, Lake(settings.lake)
        self._kept, self._patience, self._say = kept, patience, say
        self._connection = KafkaConnection.from_settings(settings)
        self._name = holder("score --follow")
        self._watch: _Watch | None = None
        self._is_reported = False
        self._highs: dict[int, tuple[int, int]] = {}
        self.total, self._progress = Progress(), Progress()
        self._reported_at = self._labels_at = time.monotonic()

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Score until stopped.

        Raises:
            Outage: Kafka, the lake or MLflow went away; call again for another session.
        """
        topic = self._settings.transactions_topic
        if other := living_follower(self._connection, topic, self._name, self._say, is_stopped):
            if is_stopped():
                return
            raise FencedError(f"{other} already follows. Stop it first: only one scorer may run.")
        self._say("opening the model, the state and the topics (usually 10 to 60 s) ...")
        self._begin()
        with (
            reaching(self._settings.lake),
            closing(KafkaTopics(self._connection)) as self._topics,
            open_scorer(
                self._settings,
                self._lake,
                self._state_version(),
                "score --follow",
                answer_seconds=ANSWER_SECONDS,
            ) as self._scorer,
        ):
            self._scorer.progress = self._progress
            self._labels = LabelIntake(self._settings, self._lake, self._topics)
            self._score(topic, is_stopped)

    def _state_version(self) -> str:
        snapshot = newest_snapshot(self._lake)
        return NO_SNAPSHOT if snapshot is None else str(snapshot)

    def _begin(self) -> None:
        """Load the champion and set the mark, in the first session that gets this far."""
        if self._watch is not None:
            return
        model = _champion(self._lake, self._registry)
        topic = self._settings.transactions_topic
        self._kept.enter_context(FollowerMark(self._connection, topic, self._name))
        self._reporter = self._kept.enter_context(self._report_to(self._settings))
        self._watch = self._kept.enter_context(_Watch(self._registry, model, self._lake))
        self._model = model

    def _score(self, topic: str, is_stopped: Callable[[], bool]) -> None:
        now, last = topic_now(self._topics, topic), self._scorer.log.last()
        at = offsets_in(last)
        check_topic(now, last.get("topic_id"), at)
        at = {p: at.get(p, low) for p, (low, _) in now.offsets.items()}
        pause = self._settings.follow_interval_ms / 1000
        topic_id, looked_at = now.topic_id, time.monotonic()
        self._scorer.warm_up(at, self._model)
        self._tell_once(topic)
        while not is_stopped():
            started = time.monotonic()
            if started - looked_at > LOOK_SECONDS:
                # finds added partitions, and messages that were deleted before they were read
                now, looked_at = topic_now(self._topics, topic), started
                check_topic(now, topic_id, at)
            ends = self._topics.ends(topic, at)
            self._highs = {p: (now.offsets[p][0], end) for p, end in ends.items()}
            check_topic(TopicNow(topic, topic_id, self._highs), topic_id, at)
            model = self._swapped()
            if any(at[p] < end for p, end in ends.items()):
                # every partition, empty ones too: a partition that is added later then shows
                ranges = {p: (at[p], end) for p, end in ends.items()}
                self._scorer.score(ranges, model, {"model_version": model.version})
                at |= offsets_in(self._scorer.log.last())
            self._now_and_then()
            self._patience.work_goes_on()
            time.sleep(max(0.0, pause - (time.monotonic() - started)))

    def _tell_once(self, topic: str) -> None:
        """Announce that it follows, in the first session that gets this far."""
        if self._is_reported:
            return
        # libraries hold half a million objects; each full collection would scan them for 0.3 s
        gc.collect()
        gc.freeze()
        self._say(f"following {topic} with model {self._model.version}; Ctrl-C ends it")
        self._is_reported = True

    def _swapped(self) -> PinnedModel:
        assert self._watch is not None
        model = self._watch.model
        if model.version != self._model.version:
            self.report()
            self._say(f"model {model.version} is champion now, in place of {self._model.version}")
            self._model = model
        return model

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._labels_at > LOOK_SECONDS:
            self._labels_at = now
            self._labels.take_in(front_in(self._scorer.log.last()))
            # another process may have landed labels too
            self._scorer.catch_up()
        if now - self._reported_at > REPORT_SECONDS:
            if not self._progress.micro_batches:
                self._say_with_problems("no new messages")
            self.report()

    def report(self) -> None:
        """Report to Dagster what was scored since the last report, and reset the counts."""
        self._reported_at = time.monotonic()
        progress = self._progress
        if self._watch is None or not progress.micro_batches:
            # the scorer continues to count in the same object
            return
        self._progress = self._scorer.progress = Progress()
        self.total.add(progress)
        threshold = self._model.candidate.threshold.value
        self._reporter.send(
            Report(progress, self._model.version, threshold, self._highs, datetime.now(UTC))
        )
        counts = progress.counts
        self._say_with_problems(
            f"{counts['scored']} scored, {counts['alerts']} alerts, "
            f"{counts['dead_letters']} dead letters, {counts['duplicates']} duplicates in "
            f"{progress.micro_batches} micro-batches"
        )

    def _say_with_problems(self, words: str) -> None:
        problems = "".join(f"; {problem}" for problem in self._problems() if problem)
        self._say(f"{datetime.now(UTC):%H:%M:%S} {words}{problems}")

    def _what_waits(self) -> str:
        """Describe the messages that producers sent and left uncommitted for a while."""
        topic = self._settings.transactions_topic
        try:
            waits = uncommitted(self._connection, self._topics, topic)
        except Outage:
            # scoring meets the same outage and reports it
            return ""
        return str(waits) if waits and waits.seconds > _WAITS_LONG_SECONDS else ""

    def _problems(self) -> list[str]:
        """Return the problems that do not stop scoring."""
        assert self._watch is not None
        return [self._watch.problem, self._reporter.problem, self._what_waits()]


def _champion(lake: Lake, registry: ModelRegistry) -> PinnedModel:
    champion = find_champion(lake, registry).require()
    if champion.version is None:
        raise PromotionError(
            "score --follow: expected a champion in the model registry, found none. Let the weekly "
            "decision promote a candidate (fraud-platform demo shows one), then follow."
        )
    return load_model(registry, champion.version, champion.sha256)
