"""What is done beside a follower, in a process of a lower priority: reports and upkeep.

Here: the process that tells Dagster what was scored, as materializations of `inference_batches`,
and keeps the follower's tables small.
Not here: what a batch's page shows (`defs.pages.inference`), when to report
(`operations.live.follow`), how tables are kept small (`adapters.tables.upkeep`).

Dagster and the plots take some 200 MB and, once a minute, a second of CPU under Python's lock;
merging small files takes half a second every ten, or more. In the scoring process that would be
every decision's delay.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

from fraud_platform.operations.live.reports import Report
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_LOW_PRIORITY = 10
_END_SECONDS = 30.0
_MOST_UNTOLD = 60


class Reporter:
    """Tells Dagster, and merges files, in a child process that ends with its parent, however.

    A child that takes nothing holds nobody up: the oldest reports are dropped, and counted. One
    that ended by itself is started anew with the next report.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: Queue[Report | None] = Queue(_MOST_UNTOLD)
        self._sender = threading.Thread(target=self._send_all, name="reports", daemon=True)
        self._is_ending = False
        self.dropped = 0

    def __enter__(self) -> Reporter:
        self._begin()
        self._sender.start()
        return self

    def _begin(self) -> None:
        # spawned, not forked: librdkafka's threads do not survive a fork
        spawn = multiprocessing.get_context("spawn")
        theirs, self._ours = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_tell_all, args=(self._settings, theirs), name="reports")
        process.start()
        self._process = process
        theirs.close()

    def __exit__(self, *error: object) -> None:
        deadline = time.monotonic() + _END_SECONDS
        self._is_ending = True
        self._put(None)
        self._sender.join(_END_SECONDS)
        if self._sender.is_alive():
            # a send into a pipe that nobody reads ends with its reader alone
            self._process.kill()
            self._sender.join(_END_SECONDS)
        self._ours.close()
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()

    @property
    def problem(self) -> str:
        """What keeps reports from Dagster; empty where nothing does."""
        return f"{self.dropped} reports to Dagster dropped" if self.dropped else ""

    def tell(self, report: Report) -> None:
        """Send a report on its way; never waits, and never fails because Dagster is away."""
        self._put(report)

    def _put(self, report: Report | None) -> None:
        while True:
            try:
                return self._waiting.put_nowait(report)
            except Full:
                with suppress(Empty):
                    self._waiting.get_nowait()
                    self.dropped += 1

    def _send_all(self) -> None:
        while (report := self._waiting.get()) is not None:
            try:
                self._send(report)
            except OSError as error:
                self.dropped += 1
                _warn(f"a report could not be sent to Dagster ({error}); scores are not concerned.")
                if self._is_ending:
                    return

    def _send(self, report: Report) -> None:
        try:
            self._ours.send(report)
        except OSError:
            if self._is_ending:
                raise
            _warn("the process that tells Dagster and merges files has ended; it is started anew.")
            self._ours.close()
            self._begin()
            self._ours.send(report)


def _tell_all(settings: Settings, reports: Connection[None, Report]) -> None:
    """Tell each report that comes, until the pipe is closed; keep those that could not be told."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # meant for the scorer, whose end ends this
        signal.signal(ending, signal.SIG_IGN)
    os.nice(_LOW_PRIORITY)
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.adapters.tables.upkeep import Upkeep
    from fraud_platform.tables.scoring import OF_MANY_COMMITS

    untold: list[Report] = []
    with Upkeep(Lake(settings.lake), OF_MANY_COMMITS) as upkeep:
        while True:
            try:
                untold.append(reports.recv())
            except EOFError:
                return
            try:
                _tell(settings, untold)
            except Exception as error:  # whatever Dagster's storage raises: scoring goes on
                _warn(f"Dagster could not be told ({error}); it is tried again with the next "
                      "report.")  # fmt: skip
                del untold[:-_MOST_UNTOLD]
            if upkeep.problem:
                _warn(f"{upkeep.problem}; it is tried again.")


def _warn(what: str) -> None:
    print(f"score --follow: {what}", file=sys.stderr, flush=True)


def _tell(settings: Settings, untold: list[Report]) -> None:
    import dagster as dg

    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.defs.pages.inference import lag_behind, metadata_of
    from fraud_platform.operations.services.dagster_home import enter_dagster_home

    enter_dagster_home(settings)
    lake = Lake(settings.lake)
    with dg.DagsterInstance.get() as instance:
        while untold:
            report = untold[0]
            lag = lag_behind(lake, report.highs)
            for result in metadata_of(
                lake, report.progress, report.model_version, report.threshold, lag
            ):
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        asset_key=result.asset_key or "inference_batches",
                        partition=report.at.strftime("%Y-%m-%d-%H:00"),
                        metadata=result.metadata,
                        description="reported by score --follow",
                    )
                )
            del untold[0]
