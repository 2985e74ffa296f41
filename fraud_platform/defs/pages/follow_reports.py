"""The companion process of a follower, with a lower priority: reports and compaction.

Here: the process that reports to Dagster what was scored, as materializations of
`inference_batches`, and compacts the follower's tables.
Not here: the page of a batch (`defs.pages.inference`), when to report (`operations.live.follow`),
compaction (`adapters.tables.compaction`).

Dagster and the plots need some 200 MB and, once a minute, a second of CPU under Python's lock;
merging small files takes at least half a second of every ten. In the scoring process that would
delay every decision.
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
from typing import TYPE_CHECKING, Self

from fraud_platform.operations.live.reports import Report
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_LOW_PRIORITY = 10
_END_SECONDS = 30.0
_MOST_UNTOLD = 60


class Reporter:
    """Reports to Dagster and merges files in a child process that always ends with its parent.

    A child that does not respond delays nothing: the oldest reports are dropped and counted. A
    child that ended by itself is restarted with the next report.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: Queue[Report | None] = Queue(_MOST_UNTOLD)
        self._sender = threading.Thread(target=self._send_all, name="reports", daemon=True)
        self._is_ending = False
        self.dropped = 0

    def __enter__(self) -> Self:
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
            # a blocked send ends only when the pipe's reader ends
            self._process.kill()
            self._sender.join(_END_SECONDS)
        self._ours.close()
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()

    @property
    def problem(self) -> str:
        """Why reports do not reach Dagster; empty if they do."""
        return f"{self.dropped} reports to Dagster dropped" if self.dropped else ""

    def send(self, report: Report) -> None:
        """Queue a report; this never waits, and never fails because Dagster does not answer."""
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
                _warn(f"a report could not be sent to Dagster ({error}); scoring continues.")
                if self._is_ending:
                    return

    def _send(self, report: Report) -> None:
        try:
            self._ours.send(report)
        except OSError:
            if self._is_ending:
                raise
            _warn("the process for reports and compaction has ended; it is restarted.")
            self._ours.close()
            self._begin()
            self._ours.send(report)


def _tell_all(settings: Settings, reports: Connection[None, Report]) -> None:
    """Send each report until the pipe is closed; keep reports that could not be sent."""
    for ending in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # for the scorer, whose end also ends this process
        signal.signal(ending, signal.SIG_IGN)
    os.nice(_LOW_PRIORITY)
    from fraud_platform.adapters.tables.compaction import Compaction
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.tables.scoring import OF_MANY_COMMITS

    untold: list[Report] = []
    with Compaction(Lake(settings.lake), OF_MANY_COMMITS) as compaction:
        while True:
            try:
                untold.append(reports.recv())
            except EOFError:
                return
            try:
                _tell(settings, untold)
            except Exception as error:  # noqa: BLE001 - scoring goes on after any error of Dagster
                _warn(f"Dagster could not be reached ({error}); it is tried again with the next "
                      "report.")  # fmt: skip
                del untold[:-_MOST_UNTOLD]
            if compaction.problem:
                _warn(f"{compaction.problem}; it is tried again.")


def _warn(what: str) -> None:
    print(f"score --follow: {what}", file=sys.stderr, flush=True)  # noqa: T201 - the program of a service


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
