"""Copying many drops from landing to the raw zone, several at once, with progress lines.

Here: the threads, progress and remaining time, adopting files that another tool copied.
Not here: copying one drop (`copying`), copying with DistCp (`adapters.storage.distcp`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from fraud_platform.contracts.drop_names import drop_of
from fraud_platform.contracts.zones import Zone
from fraud_platform.errors import Outage
from fraud_platform.ingest.blocks import BlockDigests
from fraud_platform.ingest.copying import CHECKPOINT_BYTES, RawDrop, complete_source, copy_drop
from fraud_platform.ingest.manifests import RAW_SUFFIX, RawManifest

Say = Callable[[str], object]


class Meter:
    """Reports progress: bytes copied, speed, and the estimated remaining time.

    Args:
        total_bytes: total number of bytes.
        say: receives the lines.
        every_seconds: minimum time between two lines; completion is reported at once.
    """

    def __init__(self, total_bytes: int, say: Say, every_seconds: float = 5.0) -> None:
        self._total, self._say, self._every = total_bytes, say, every_seconds
        self._done: dict[str, int] = {}
        self._first: dict[str, int] = {}
        self._start = self._reported = time.monotonic()
        self._lock = threading.Lock()

    def of(self, name: str) -> Callable[[int, int], None]:
        """Return the progress callback (bytes done, total bytes) of one copy."""

        def progress(done: int, total: int) -> None:  # noqa: ARG001 - a copy reports both
            with self._lock:
                # Bytes of an interrupted copy count as done, but not for the speed.
                self._first.setdefault(name, done)
                self._done[name] = done
                now = time.monotonic()
                is_last = sum(self._done.values()) >= self._total
                if is_last or now - self._reported >= self._every:
                    self._reported = now
                    self._say(self.line(now))

        return progress

    def line(self, now: float) -> str:
        """Return the progress line at a time of `time.monotonic`."""
        done = sum(self._done.values())
        moved = done - sum(self._first.values())
        per_second = moved / max(now - self._start, 1e-9)
        left = (self._total - done) / per_second if per_second > 0 else 0.0
        return (
            f"{done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB, {per_second / 1e6:,.1f} MB/s, "
            f"{left:,.0f} s left"
        )


def load_drops(
    landing: Zone, raw: Zone, names: Sequence[str], workers: int, say: Say
) -> list[RawDrop]:
    """Copy drops to the raw zone, several at once; one failure does not stop the others.

    Args:
        landing: zone of the sources.
        raw: zone of the copies.
        names: file names in landing.
        workers: number of threads.
        say: receives progress lines.

    Raises:
        DataError, Outage: the first error, raised after all copies have ended.
    """
    sizes = {name: complete_source(landing, name).size_bytes for name in names}
    meter = Meter(sum(sizes.values()), say)
    with ThreadPoolExecutor(workers) as pool:
        copies = [pool.submit(copy_drop, landing, raw, name, meter.of(name)) for name in names]
    return [copy.result() for copy in copies]


def adopt_drop(landing: Zone, raw: Zone, name: str) -> RawDrop:
    """Verify a file that another tool copied to the raw zone, and write its manifest.

    Source and copy are both read and compared block by block.

    Raises:
        DropUnreadableError: the source is empty or differs from its sender's manifest.
        Outage: the copy differs from the source; the copy is removed.
    """
    start = time.monotonic()
    source = complete_source(landing, name)
    blocks = BlockDigests(CHECKPOINT_BYTES)
    for chunk in landing.read(name):
        for _ in blocks.cut(chunk):
            pass
    blocks.finish()
    sha256 = blocks.verified(raw.read(name))
    if sha256 is None:
        raw.remove(name)
        raise Outage(
            f"{name}: {raw.url} holds other bytes than {landing.url}; the copy was removed. "
            "Check that storage and load again."
        )
    copied_at = datetime.now(UTC).isoformat()
    source_url, drop = landing.url_of(name), drop_of(name)
    manifest = RawManifest(
        drop, name, source.size_bytes, sha256, source_url, source.fingerprint, copied_at
    )
    raw.put(name + RAW_SUFFIX, manifest.to_json())
    seconds = time.monotonic() - start
    return RawDrop(drop, name, raw.url_of(name), source.size_bytes, sha256, seconds)
