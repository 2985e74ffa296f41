"""`score --follow`: the in-process engine in a loop, told to Dagster once a minute.

Here: the loop, the champion's hot swap, labels on the way, the report as materializations of
`inference_batches`.
Not here: scoring (`fraud_platform.scoring.scorer`), the mark that keeps the sensor out
(`adapters.follower_mark`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fraud_platform.adapters.follower_mark import FollowerMark, follower
from fraud_platform.adapters.kafka import KafkaConnection
from fraud_platform.adapters.kafka import Topics as KafkaTopics
from fraud_platform.adapters.lake import Lake
from fraud_platform.adapters.model_registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.scoring_session import (
    holder,
    load_model,
    open_scorer,
    take_in_labels,
    topic_now,
)
from fraud_platform.adapters.upkeep import Upkeep
from fraud_platform.contracts.scoring_tables import DEAD_LETTERS, SCORED
from fraud_platform.errors import FencedError, PromotionError
from fraud_platform.scoring.log import offsets_in
from fraud_platform.scoring.plans import TopicNow, check_topic
from fraud_platform.scoring.recovery import NO_SNAPSHOT
from fraud_platform.scoring.scorer import Progress, Scorer
from fraud_platform.scoring.snapshot import newest_snapshot
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from fraud_platform.scoring.micro_batch import PinnedModel

REPORT_SECONDS = 60.0
LOOK_SECONDS = 5.0


def follow(
    settings: Settings,
    registry: ModelRegistry,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool],
) -> Progress:
    """Score live transactions until stopped; return what was done in all.

    Raises:
        PromotionError: there is no champion.
        FencedError: somebody else follows, or took over.
    """
    lake, connection = Lake(settings.lake), KafkaConnection.from_settings(settings)
    if other := follower(connection, settings.transactions_topic):
        raise FencedError(f"{other} follows already. Stop it first; one scorer at a time.")
    model = _champion(registry)
    snapshot = newest_snapshot(lake)
    state_version = NO_SNAPSHOT if snapshot is None else str(snapshot)
    name = holder("score --follow")
    with (
        FollowerMark(connection, settings.transactions_topic, name),
        open_scorer(settings, lake, state_version, "score --follow") as scorer,
        Upkeep(lake, (SCORED, DEAD_LETTERS)),
        _Watch(registry, model) as watch,
    ):
        say(f"following {settings.transactions_topic} with model {model.version}, Ctrl-C ends it")
        loop = _Loop(settings, lake, scorer, watch, say)
        try:
            loop.run(is_stopped)
        finally:
            loop.report()
    return loop.total


class _Watch:
    """Looks after the champion alias in a thread, and loads a new champion before it is wanted."""

    def __init__(self, registry: ModelRegistry, model: PinnedModel) -> None:
        self.model = model
        self._registry = registry
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.problem = ""

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        from fraud_platform.errors import FraudPlatformError

        while not self._ended.wait(LOOK_SECONDS):
            try:
                version = self._registry.alias(CHAMPION)
                if version is not None and version != self.model.version:
                    self.model = load_model(self._registry, version)
                self.problem = ""
            except FraudPlatformError as error:
                # the present model goes on: a registry that is away must not stop decisions
                self.problem = str(error)


class _Loop:
    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        scorer: Scorer,
        watch: _Watch,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._lake, self._scorer = settings, lake, scorer
        self._watch, self._say = watch, say
        self._topics = KafkaTopics(KafkaConnection.from_settings(settings))
        self.total = Progress()
        self._reported_at = self._labels_at = time.monotonic()
        self._model = watch.model

    def run(self, is_stopped: Callable[[], bool]) -> None:
        topic = self._settings.transactions_topic
        now = topic_now(self._topics, topic)
        said = self._scorer.log.last()
        at = offsets_in(said)
        check_topic(now, said.get("topic_id"), at)
        at = {p: at.get(p, low) for p, (low, _) in now.offsets.items()}
        pause = self._settings.follow_interval_ms / 1000
        while not is_stopped():
            started = time.monotonic()
            ends = self._topics.ends(topic, at)
            check_topic(TopicNow(topic, now.topic_id, {p: (0, e) for p, e in ends.items()}),
                        now.topic_id, at)  # fmt: skip
            model = self._swapped()
            if any(at[p] < end for p, end in ends.items()):
                # every partition, empty ones too: by them a partition that comes later is seen
                ranges = {p: (at[p], end) for p, end in ends.items()}
                self._scorer.score(ranges, model, {"model_version": model.version})
                at |= ends
            self._now_and_then()
            time.sleep(max(0.0, pause - (time.monotonic() - started)))

    def _swapped(self) -> PinnedModel:
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
            landed = take_in_labels(self._settings, self._lake, self._topics, self._scorer)
            if landed["labels"]:
                self._scorer.catch_up()
        if now - self._reported_at > REPORT_SECONDS:
            self.report()

    def report(self) -> None:
        """Tell Dagster what was scored since the last time, and begin to count anew."""
        self._reported_at = time.monotonic()
        progress, self._scorer.progress = self._scorer.progress, Progress()
        if not progress.micro_batches:
            return
        self.total.add(progress)
        highs = self._topics.offsets(self._settings.transactions_topic)
        threading.Thread(
            target=_tell_dagster,
            args=(self._settings, self._lake, progress, self._model, highs),
        ).start()
        counts = progress.counts
        self._say(
            f"{datetime.now(UTC):%H:%M:%S} {counts['scored']} scored, {counts['alerts']} alerts, "
            f"{counts['dead_letters']} dead letters, {counts['duplicates']} duplicates in "
            f"{progress.micro_batches} micro-batches"
            + (f"; {self._watch.problem}" if self._watch.problem else "")
        )


def _tell_dagster(
    settings: Settings,
    lake: Lake,
    progress: Progress,
    model: PinnedModel,
    highs: dict[int, tuple[int, int]],
) -> None:
    """Report a minute of scoring as a materialization, as a run would."""
    import dagster as dg

    from fraud_platform.adapters.dagster_home import enter_dagster_home
    from fraud_platform.defs.inference_metadata import lag_behind, metadata_of

    enter_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        for result in metadata_of(lake, progress, model, lag_behind(lake, highs)):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=result.asset_key or "inference_batches",
                    partition=datetime.now(UTC).strftime("%Y-%m-%d-%H:00"),
                    metadata=result.metadata,
                    description="reported by score --follow",
                )
            )


def _champion(registry: ModelRegistry) -> PinnedModel:
    version = registry.alias(CHAMPION)
    if version is None:
        raise PromotionError(
            "score --follow: expected a champion in the model registry, found none. Let the weekly "
            "decision promote a candidate (fraud-platform demo shows one), then follow."
        )
    return load_model(registry, version)
