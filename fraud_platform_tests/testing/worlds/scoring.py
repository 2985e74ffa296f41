"""A small live world: a stream with bad messages in it, a model, scorers that may be killed.

Here: what the tests of exactly-once scoring share, without Spark, MLflow or drops.
Not here: judging what came of it (`oracles.scoring`), the tests themselves.

Scorers are processes of a fork server that has imported everything and opened nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import polars as pl

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.contracts.access import Role
from fraud_platform.contracts.active import FEATURE_NAMES
from fraud_platform.settings import Settings
from fraud_platform.simulation.stream import (
    bad_messages,
    label_messages,
    stream_order,
    transaction_messages,
)
from fraud_platform.training.candidate import Candidate, TrainingOptions, train_candidate
from fraud_platform.training.thresholds import Constraints
from fraud_platform_tests.oracles.scoring import SCORED, Sent
from fraud_platform_tests.testing.programs import scoring as program
from fraud_platform_tests.testing.shared import copy_of
from fraud_platform_tests.testing.waiting import wait_for
from fraud_platform_tests.testing.worlds.training_rows import labelled_rows

MODEL_FEATURES = (*FEATURE_NAMES[:40], FEATURE_NAMES[-1])
_FIRST_SECOND = 1_532_908_800
"""2018-07-30 00:00 UTC."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([program.__name__])


def train_small(folder: Path) -> Path:
    """Save a model that was trained on rows of no meaning, and return its folder.

    It has a prior to start from and a threshold that a few rows in a hundred pass. All tests of a
    run get the same model, trained once.
    """
    return copy_of("small_model", _train_small, folder)


def _train_small(folder: Path) -> None:
    rows = labelled_rows(rows_a_day=600, seed=3)
    random = np.random.default_rng(4)
    for place, name in enumerate(MODEL_FEATURES):
        rows[name] = random.lognormal(2, 1.5, len(rows)).astype(np.float32) * (place < 39)
    rows["amount"] = np.exp(rows["signal"] + 4).astype(np.float32)
    rows["hours_since_last_transaction"] = np.exp(rows["other"] + 2).astype(np.float32)
    rows[MODEL_FEATURES[-1]] = random.uniform(0, 0.1, len(rows)).astype(np.float32)
    options = TrainingOptions(
        "xgboost", seed=1, constraints=Constraints(500.0, 0.5, 0.1), chooses=False
    )
    train_candidate(rows, MODEL_FEATURES, options).save(folder)
    assert Candidate.load(folder).feature_names == MODEL_FEATURES


def stream_rows(
    count: int, seed: int = 0, customers: int = 150, terminals: int = 80, days: float = 2.0
) -> pl.DataFrame:
    """Return rows of `transactions` in stream order, ids 1, 2, .. among others."""
    random = np.random.default_rng(seed)
    seconds = _FIRST_SECOND + np.sort(random.integers(0, int(days * 86_400), count))
    scenario = np.where(random.random(count) < 0.03, random.integers(1, 4, count), 0)
    return stream_order(
        pl.DataFrame(
            {
                "transaction_id": random.permutation(count) + 1,
                "tx_datetime": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
                "customer_id": random.integers(0, customers, count),
                "terminal_id": random.integers(0, terminals, count),
                "amount_cents": np.exp(random.normal(8.5, 0.9, count)).astype(np.int64) + 1,
                "is_fraud": scenario > 0,
                "fraud_scenario": scenario,
            }
        )
    )


def mixed_stream(
    rows: pl.DataFrame, bad_share: float = 0.02, seed: int = 5, each_kind: bool = True
) -> list[Sent]:
    """Return the messages of rows, bad ones among them, each with what must become of it."""
    good = transaction_messages(rows)
    ids = rows["transaction_id"].to_list()
    bad = bad_messages(rows, bad_share, seed, each_kind=each_kind)
    after: dict[int, list[Sent]] = {}
    for message in bad:
        after.setdefault(message.after, []).append(
            Sent(message.key, message.value, message.reason, None)
        )
    sent = []
    for place, (key, value) in enumerate(zip(good.keys, good.values, strict=True)):
        sent.append(Sent(key, value, SCORED, ids[place]))
        sent += after.get(place, [])
    return sent


@dataclass
class World:
    """A home, its topics and its model.

    Attributes:
        settings: with topics of the world's own.
        model: folder of the candidate.
    """

    settings: Settings
    model: Path

    def produce(self, sent: Iterable[Sent]) -> None:
        """Send messages and require that each is acknowledged."""
        producer = IdempotentProducer(KafkaConnection.from_settings(self.settings, Role.PRODUCER))
        for message in sent:
            producer.send(self.settings.transactions_topic, message.key, message.value)
        producer.finish()

    def produce_labels(self, rows: pl.DataFrame, others: Iterable[bytes] = ()) -> None:
        """Send the labels of rows, a day after each, and other messages on the same topic."""
        made = label_messages(rows, delay_days=1)
        producer = IdempotentProducer(KafkaConnection.from_settings(self.settings, Role.PRODUCER))
        producer.send_many(self.settings.labels_topic, made.keys, made.values)
        for value in others:
            producer.send(self.settings.labels_topic, b"other", value)
        producer.finish()

    def start_scorer(self, kill_at: str = "", *switches: str) -> BaseProcess:
        """Start a scorer that works until nothing is left; see `testing.programs.scoring`."""
        process = _SERVER.Process(
            target=program.run,
            args=(self.environment(kill_at), str(self.model), switches),
            daemon=True,
        )
        process.start()
        return process

    def score(self, kill_at: str = "", *switches: str) -> int:
        """Run a scorer to its end and return its exit code, minus the signal that killed it."""
        return self.ended(self.start_scorer(kill_at, *switches))

    def ended(self, scorer: BaseProcess, limit_seconds: float = 60) -> int:
        """Wait for a scorer and return its exit code."""
        scorer.join(limit_seconds)
        if scorer.exitcode is None:
            assert scorer.pid is not None
            os.kill(scorer.pid, signal.SIGUSR1)
            scorer.join(1)
            raise AssertionError(f"a scorer still works after {limit_seconds} s: {self.output}")
        return scorer.exitcode

    def paused_scorer(self, at: str, *switches: str) -> BaseProcess:
        """Start a scorer and wait until it stopped at a kill point."""
        scorer = self.start_scorer(at, "pause", *switches)
        state = Path(f"/proc/{scorer.pid}/stat")

        def is_stopped() -> bool:
            assert scorer.is_alive(), f"a scorer ended before {at}: {self.output}"
            return state.read_text().rpartition(")")[2].split()[0] == "T"

        wait_for(is_stopped, what=f"a scorer that stops at {at}", every=0.01)
        return scorer

    def wake(self, scorer: BaseProcess) -> int:
        """Let a paused scorer go on to its end and return its exit code."""
        assert scorer.pid is not None
        os.kill(scorer.pid, signal.SIGCONT)
        return self.ended(scorer)

    def environment(self, kill_at: str = "") -> Mapping[str, str]:
        """Return the variables of a scorer of this world."""
        return {**self.settings.environment, "FRAUD_KILL_AT": kill_at}

    @property
    def output(self) -> str:
        """What scorers printed so far."""
        path = Path(self.settings.home) / program.LOG
        return path.read_text() if path.exists() else ""


def small_settings(
    home: Path, bootstrap: str, mark: str, batch: int = 400, **chosen: object
) -> Settings:
    """Return settings with topics of their own, few partitions and small micro-batches."""
    home.mkdir(parents=True, exist_ok=True)
    return Settings(
        home=home,
        kafka_bootstrap=bootstrap,
        kafka_partitions=3,
        transactions_topic=f"transactions-{mark}",
        labels_topic=f"labels-{mark}",
        predictions_topic=f"predictions-{mark}",
        dead_letters_topic=f"transactions.dlq-{mark}",
        max_batch_messages=batch,
        **chosen,  # type: ignore[arg-type]
    )


KILLED = -signal.SIGKILL
