"""Fixtures that several tests of scoring use."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.worlds.parity import (
    History,
    Stream,
)


@pytest.fixture
def make_stream(
    kafka: KafkaConnection, spark: SparkSession, tmp_path: Path
) -> Callable[..., Stream]:
    def make(history: History, **chosen: Any) -> Stream:
        mark = secrets.token_hex(6)
        settings = Settings(
            home=tmp_path / mark,
            kafka_bootstrap=kafka.bootstrap,
            transactions_topic=f"transactions-{mark}",
            labels_topic=f"labels-{mark}",
            predictions_topic=f"predictions-{mark}",
            dead_letters_topic=f"dlq-{mark}",
            **chosen,
        )
        Topics(kafka).ensure(topic_specs(settings))
        return Stream(history, settings, spark)

    return make
