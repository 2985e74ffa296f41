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

    Memory is the proportional set size (shared pages counted once), sampled twice a second.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def __enter__(self) -> Meter:
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._cpu_before = _tree_cpu_seconds()
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
        self.cpu_seconds = _tree_cpu_seconds() - self._cpu_before
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        while True:
            self.peak_memory_mb = max(self.peak_memory_mb, _tree_memory_mb())
            if self._done.wait(_SAMPLE_SECONDS):
                return


def _tree() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def _tree_cpu_seconds() -> float:
    """CPU of all processes that live, and of those that they have waited for."""
    total = 0.0
    for process in _tree():
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def _tree_memory_mb() -> float:
    total = 0
    for process in _tree():
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20
