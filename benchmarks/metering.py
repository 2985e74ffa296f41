"""What a piece of work costs: wall time, CPU of the whole process tree, peak memory.

Here: a meter that counts this process, the JVM that it started and the JVM's Python workers.
Not here: what is measured.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

import psutil

_SAMPLE_SECONDS = 0.5


@dataclass
class Meter:
    """A context that measures what happens inside it.

    Memory is the proportional set size (shared pages counted once), sampled twice a second; the
    sampling's own CPU is not counted.

    Attributes:
        apart: a child whose CPU and memory are no part of the work, such as a server.
        apart_cpu_seconds: its CPU meanwhile.
    """

    apart: psutil.Process | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    apart_cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def __enter__(self) -> Meter:
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
    """CPU of processes that live, and of those that they have waited for."""
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
