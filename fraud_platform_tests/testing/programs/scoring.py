"""A process that plans and scores until nothing is left, and can be killed.

Here: the client of the recovery tests, and switches: one pauses it where it would be killed, the
others take a guard away, as proof that the tests would see what the guard prevents.
Not here: the tests (`integration.scoring.test_recovery`), what they share
(`testing.worlds.scoring`).
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import xgboost  # noqa: F401  (the fork server imports it once for all)

from fraud_platform import kill_points
from fraud_platform.adapters.kafka.producers import IdempotentProducer, TransactionalProducer
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.numbered import NumberedTable
from fraud_platform.contracts.tables import DataFile
from fraud_platform.errors import FencedError, FraudPlatformError, Outage
from fraud_platform.operations.live.planning import plan_next
from fraud_platform.operations.live.session import open_scorer
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.settings import Settings
from fraud_platform.training.candidate import Candidate

LOG = "scorers.log"
DONE, FENCED, OUTAGE, OTHER = 0, 3, 4, 5


class _Champion:
    """A registry in which version 1 is the champion."""

    def alias(self, name: str) -> int:
        return 1


def run(environment: Mapping[str, str], model_folder: str, switches: Sequence[str]) -> None:
    """Score until nothing is left; an error is in the exit code and in the log."""
    os.environ.update(environment)
    settings = Settings()
    log = os.open(Path(settings.home) / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    faulthandler.register(signal.SIGUSR1)
    for switch in switches:
        _SWITCHES[switch]()
    try:
        score_all(settings, Path(model_folder))
    except FraudPlatformError as error:
        print(f"{type(error).__name__}: {error}")
        kinds = ((FencedError, FENCED), (Outage, OUTAGE))
        sys.exit(next((code for kind, code in kinds if isinstance(error, kind)), OTHER))


def score_all(
    settings: Settings, model_folder: Path, spark: Callable[[], Any] | None = None
) -> None:
    """Plan and carry out, again and again, until nothing is left."""
    lake = Lake(settings.lake)
    model = PinnedModel("fraud", 1, Candidate.load(model_folder))
    while True:
        plan = plan_next(settings, lake, _Champion()).plan  # type: ignore[arg-type]
        if plan is None:
            return
        name = f"client {os.getpid()}"
        with open_scorer(settings, lake, plan.state_version, name, spark) as scorer:
            scorer.carry_out(plan, model, {})


def _ignore_numbers() -> None:
    """Let every commit pass, whether its number is taken or not."""
    guarded = NumberedTable.append

    def append(
        self: NumberedTable,
        files: Sequence[DataFile],
        number: int,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        self.refresh()
        free = max(number, self.number + 1)
        return guarded(self, files, free, metadata)

    NumberedTable.append = append  # type: ignore[method-assign]


def _publish_plainly() -> None:
    """Publish outside of transactions, offsets not at all."""

    def transaction(
        self: TransactionalProducer,
        records: Iterable[tuple[str, bytes | None, bytes]],
        group: str,
        offsets: object,
        note: str = "",
    ) -> None:
        producer = IdempotentProducer(self._connection)
        for record in records:
            producer.send(*record)
        producer.finish()

    TransactionalProducer.transaction = transaction  # type: ignore[method-assign,assignment]


def _pause_instead() -> None:
    """Stop at the kill point, once, instead of dying there: SIGCONT makes a zombie of it."""

    def stop_once(process: int, signal_number: int) -> None:
        os.environ[kill_points.KILL_VARIABLE] = ""
        os.kill(process, signal.SIGSTOP)

    stand_in = SimpleNamespace(environ=os.environ, getpid=os.getpid, kill=stop_once)
    vars(kill_points)["os"] = stand_in


_SWITCHES: dict[str, Callable[[], None]] = {
    "pause": _pause_instead,
    "numbers": _ignore_numbers,
    "transactions": _publish_plainly,
}
