"""Measuring wall time, CPU time of the whole process tree, and peak memory.

Here: a meter that covers this process, its JVM and the JVM's Python workers.
Not here: what is measured (the benchmarks).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.5


@dataclass
class Meter:
    """A context manager that measures its `with` block.

    Memory is the proportional set size (shared pages are counted once), sampled twice a second.
    The CPU time of the sampling is not counted.

    Attributes:
        apart: a child process that is not counted, such as a server.
        seconds: wall time.
        cpu_seconds: CPU time of the process tree without `apart`.
        apart_cpu_seconds: CPU time of `apart`.
        peak_memory_mb: peak memory of the process tree without `apart`, MiB.
    """

    apart: psutil.Process | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    apart_cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampling_cpu = 0.0
        self._cpu_before, self._apart_before = self._cpu()
        self._begun = time.perf_counter()
        self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._begun
        self._done.set()
        self._sampler.join()
        cpu, apart = self._cpu()
        self.cpu_seconds = cpu - self._cpu_before - self._sampling_cpu
        self.apart_cpu_seconds = apart - self._apart_before

    def _sample(self) -> None:
        while True:
            self.peak_memory_mb = max(self.peak_memory_mb, _memory_mb(self._tree()))
            if self._done.wait(_SAMPLE_SECONDS):
                self._sampling_cpu = time.thread_time()
                return

    def _cpu(self) -> tuple[float, float]:
        apart = [] if self.apart is None else [self.apart]
        return _cpu_seconds(self._tree()), _cpu_seconds(apart)

    def _tree(self) -> list[psutil.Process]:
        me = psutil.Process()
        return [p for p in (me, *me.children(recursive=True)) if p != self.apart]


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU time of running processes and of their children that have ended."""
    total = 0.0
    for process in processes:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def _memory_mb(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20
