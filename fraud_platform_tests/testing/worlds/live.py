"""A platform beside a broker: ticks of the Kafka sensor, runs that it asks for, in this process.

Here: `Live`, which tests of the live half's orchestration work on.
Not here: the broker and the models (`integration.conftest`), streams (`testing.worlds.scoring`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.defs.assets.inference import live_transactions
from fraud_platform.defs.commands.run_due import FinishedRun, execute
from fraud_platform.errors import TopicChangedError
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import Sent
from fraud_platform_tests.testing.servers.kafka_admin import administrator
from fraud_platform_tests.testing.waiting import wait_for
from fraud_platform_tests.testing.worlds.automation import run_requests
from fraud_platform_tests.testing.worlds.platform import Platform
from fraud_platform_tests.testing.worlds.scoring import World

PARTITIONS = 3


@dataclass
class Live:
    """A platform beside a broker and a registry with two models."""

    platform: Platform
    registry: ModelRegistry

    @property
    def settings(self) -> Settings:
        return self.platform.settings

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection.from_settings(self.settings)

    def produce(self, sent: list[Sent]) -> None:
        World(self.settings, Path()).produce(sent)

    def recreate(self, topic: str) -> str:
        """Delete a topic with its messages and create it again; return its former id."""
        topics = Topics(self.connection)
        before = topics.topic_id(topic)
        admin = administrator(self.connection)  # its futures end with it
        admin.delete_topics([topic])[topic].result(10)
        until(lambda: topic in topics.ensure(topic_specs(self.settings)))
        until(lambda: topics.topic_id(topic) != before)
        return before

    def tick(self, cursor: str | None = None) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.platform.instance,
            cursor=cursor,
            resources=self.platform.defs.resources,
        ) as context:
            result = live_transactions(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def asked(self) -> dg.RunRequest:
        """Tick and return the one run that is asked for."""
        result = self.tick()
        assert len(run_requests(result)) == 1, result.skip_reason
        return run_requests(result)[0]

    def skipped(self) -> str:
        """Tick and return why nothing is asked for."""
        result = self.tick()
        assert not result.run_requests
        assert result.skip_reason is not None
        return str(result.skip_reason.skip_message)

    def record(self, request: dg.RunRequest, status: dg.DagsterRunStatus, **tags: str) -> str:
        """Record a run of a request, as the daemon would."""
        noted = {**request.tags, "dagster/run_key": str(request.run_key), **tags}
        run = dg.DagsterRun("score_transactions", tags=noted, status=status)
        return self.platform.instance.add_run(run).run_id

    def run(self, request: dg.RunRequest) -> FinishedRun:
        """Execute a request's run in this process."""
        noted = {**request.tags, "dagster/run_key": str(request.run_key)}
        return execute(
            self.platform.defs,
            self.platform.instance,
            "score_transactions",
            dg.RunRequest(
                run_key=request.run_key,
                run_config=request.run_config,
                partition_key=request.partition_key,
                tags=noted,
            ),
        )

    def score(self) -> FinishedRun:
        """Let the sensor ask once, and execute what it asks for."""
        run = self.run(self.asked())
        assert run.success, run.error
        return run


def plan_of(request: dg.RunRequest) -> int:
    return request.run_config["ops"]["score_plan"]["config"]["plan"]


def until(condition: Callable[[], object], limit_seconds: float = 20.0) -> None:
    """Wait for a condition; a topic that is being recreated counts as not yet."""
    wait_for(condition, limit_seconds, ignoring=(TopicChangedError,))
