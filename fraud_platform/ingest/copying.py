"""Copying one drop from landing to the raw zone: byte for byte, verified, atomic.

Here: resuming, checksums, the order in which a copy becomes visible, its manifest.
Not here: when a drop is complete (`arrivals`), storage clients
(`fraud_platform.adapters.storage.zones`).

A manifest always describes the file next to it: the old manifest is removed before the old file is
replaced, and the new one is written last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fraud_platform.contracts.drop_names import drop_of, file_name_of
from fraud_platform.contracts.zones import FileInfo, Sink, Zone, partial_name, read_whole, sha256_of
from fraud_platform.errors import DataError, DropChangedError, DropUnreadableError, Outage
from fraud_platform.ingest.blocks import BlockDigests
from fraud_platform.ingest.manifests import (
    RAW_SUFFIX,
    SENDER_SUFFIX,
    RawManifest,
    read_raw_manifests,
    read_sender_manifest,
)
from fraud_platform.kill_points import kill_point

CHECKPOINT_BYTES = 128 << 20
"""Size of a block; an interrupted copy repeats at most this much."""

Progress = Callable[[int, int], None]
"""Called with the bytes copied so far and the total."""


@dataclass(frozen=True)
class RawDrop:
    """A drop in the raw zone.

    Attributes:
        drop: The drop's key, its first day.
        name: File name, as in landing.
        url: URL of the copy.
        size_bytes: Size of the copy.
        sha256: SHA-256 of source and copy, in hex.
        seconds: Time that copying and verifying took.
        resumed_from: Number of bytes kept from an interrupted copy, or None.
        was_held: Whether the content was already in the raw zone and only verified.
    """

    drop: str
    name: str
    url: str
    size_bytes: int
    sha256: str
    seconds: float = 0.0
    resumed_from: int | None = None
    was_held: bool = False


def raw_drop(raw: Zone, drop: str) -> RawDrop:
    """Return a drop's copy in the raw zone.

    Raises:
        DropUnreadableError: there is no complete copy.
    """
    manifest = read_raw_manifests(raw).get(drop)
    if manifest is None:
        raise DropUnreadableError(
            f"drop {drop}: expected a copy with its manifest in {raw.url}, found none. "
            "Materialize raw_drops for this drop."
        )
    url = raw.url_of(manifest.name)
    return RawDrop(drop, manifest.name, url, manifest.size_bytes, manifest.sha256)


def copy_drop(
    landing: Zone,
    raw: Zone,
    name: str,
    progress: Progress | None = None,
    *,
    checkpoint_bytes: int = CHECKPOINT_BYTES,
) -> RawDrop:
    """Copy one drop's file from landing to the raw zone and verify the copy.

    An interrupted copy is continued if the source has not changed. If the content is already in
    the raw zone, it is only verified. A failed copy keeps the previous copy.

    Args:
        landing: Zone of the source.
        raw: Zone of the copy.
        name: File name in landing.
        progress: Called regularly with the bytes copied so far and the total.
        checkpoint_bytes: Block size; an interrupted copy repeats at most this much.

    Raises:
        DropNameError: the name is not that of a drop.
        DropUnreadableError: the file is empty or differs from its sender's manifest.
        DropChangedError: the file was removed or changed while it was copied.
        Outage: a zone does not answer, is full, or returns other bytes than were written.
    """
    start = time.monotonic()
    drop = drop_of(name)
    source = complete_source(landing, name)
    held = read_raw_manifests(raw).get(drop)
    if held is not None and _is_intact(raw, held, source):
        _remove_leftovers(raw, drop, name)
        url, seconds = raw.url_of(name), time.monotonic() - start
        return RawDrop(drop, name, url, held.size_bytes, held.sha256, seconds, was_held=True)
    copy = _Copy(landing, raw, source, progress or (lambda done, total: None), checkpoint_bytes)
    sha256 = copy.run()
    copied_at = datetime.now(UTC).isoformat()
    manifest = RawManifest(
        drop, name, source.size_bytes, sha256, landing.url_of(name), source.fingerprint, copied_at
    )
    raw.put(name + RAW_SUFFIX, manifest.to_json())
    _remove_leftovers(raw, drop, name)
    url, seconds = raw.url_of(name), time.monotonic() - start
    return RawDrop(drop, name, url, source.size_bytes, sha256, seconds, copy.resumed_from)


class _Copy:
    """A running copy: the unfinished file in the raw zone, and its checkpoint file."""

    def __init__(
        self, landing: Zone, raw: Zone, source: FileInfo, progress: Progress, checkpoint_bytes: int
    ) -> None:
        self.landing, self.raw, self.source, self.progress = landing, raw, source, progress
        self.partial = partial_name(source.name)
        self.state_name = self.partial + RAW_SUFFIX
        self.blocks = BlockDigests(checkpoint_bytes)
        self.done = 0
        self.sha256 = ""
        self.resumed_from: int | None = None

    def run(self) -> str:
        """Copy, verify and publish the file; return its SHA-256."""
        if self._is_published():
            return self.sha256
        self._resume()
        self._require_space()
        sink = self.raw.begin(self.source.name, self.done)
        try:
            self._transfer(sink)
            self._publish(sink)
        except DataError:
            sink.discard()
            self.raw.remove(self.state_name)
            raise
        except BaseException:
            sink.close()
            raise
        return self.sha256

    def _is_published(self) -> bool:
        """Return whether an earlier run published this content but not its manifest."""
        state = self._state()
        if state is None or not state["complete"]:
            return False
        published = self.raw.stat(self.source.name)
        if published is None or published.size_bytes != self.source.size_bytes:
            return False
        noted = BlockDigests(state["block_bytes"], state["blocks"])
        sha256 = noted.verified(self.raw.read(self.source.name))
        if sha256 is None:
            return False
        self.sha256, self.resumed_from = sha256, self.source.size_bytes
        return True

    def _state(self) -> dict[str, Any] | None:
        """Return the checkpoint of an interrupted copy of the same content, or None."""
        try:
            state = json.loads(read_whole(self.raw, self.state_name))
            fits = state["source_fingerprint"] == self.source.fingerprint
            return state if fits and {"block_bytes", "blocks", "complete"} <= state.keys() else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _note(self, complete: bool = False) -> None:
        state = {
            "source_fingerprint": self.source.fingerprint,
            "block_bytes": self.blocks.block_bytes,
            "blocks": self.blocks.digests,
            "complete": complete,
        }
        self.raw.put(self.state_name, json.dumps(state).encode())

    def _resume(self) -> None:
        """Continue after the complete blocks of an interrupted copy, without reading them."""
        state = self._state()
        if state is None or state["complete"] or not state["blocks"]:
            return
        done = state["block_bytes"] * len(state["blocks"])
        if done <= self.source.size_bytes and self.raw.can_resume(self.source.name, done):
            self.blocks = BlockDigests(state["block_bytes"], state["blocks"])
            self.done = self.resumed_from = done

    def _require_space(self) -> None:
        free, needed = self.raw.free_bytes(), self.source.size_bytes - self.done
        if free is not None and free < needed:
            raise Outage(
                f"{self.source.name}: expected {needed:,} free bytes in {self.raw.url}, found "
                f"{free:,}. Free some space; the copy then continues where it stopped."
            )

    def _transfer(self, sink: Sink) -> None:
        """Copy the rest of the source; a checkpoint is written after each block."""
        self._note()
        try:
            for chunk in self.landing.read(self.source.name, self.done):
                self.done += len(chunk)
                if self.done > self.source.size_bytes:
                    break
                for piece, ends_block in self.blocks.cut(chunk):
                    sink.write(piece)
                    if ends_block:
                        sink.sync()
                        self._note()
                self.progress(self.done, self.source.size_bytes)
                kill_point("ingest.mid_copy")
        except FileNotFoundError:
            raise _vanished(self.landing, self.source.name) from None
        self.blocks.finish()
        self._require_unchanged()

    def _require_unchanged(self) -> None:
        now = self.landing.stat(self.source.name)
        if now is None:
            raise _vanished(self.landing, self.source.name)
        if now.fingerprint != self.source.fingerprint or self.done != self.source.size_bytes:
            raise DropChangedError(
                f"{self.source.name}: expected {self.source.size_bytes:,} bytes that stand still, "
                f"found {now.size_bytes:,} and a change while copying. Wait until the sender is "
                "done; the sensor then asks for it again."
            )

    def _publish(self, sink: Sink) -> None:
        """Verify the written bytes and publish the file.

        If the zone does not show unfinished files, the file is verified after it is published.
        """
        sink.finish()
        if self.raw.shows_unfinished:
            self._verify(self.partial, sink)
        elif self.blocks.sha256:
            self._require_promise(self.blocks.sha256)
        self._note(complete=True)
        kill_point("ingest.before_rename")
        self.raw.remove(self.source.name + RAW_SUFFIX)
        sink.publish()
        if not self.raw.shows_unfinished:
            try:
                self._verify(self.source.name, sink)
            except (DataError, Outage):
                self.raw.remove(self.source.name)
                raise
        kill_point("ingest.before_manifest")

    def _verify(self, written: str, sink: Sink) -> None:
        """Read the written file and compare it with the source block by block."""
        sha256 = self.blocks.verified(self.raw.read(written))
        if sha256 is None:
            sink.discard()
            self.raw.remove(self.state_name)
            raise Outage(
                f"{self.source.name}: {self.raw.url} gave back other bytes than were written. "
                "Check that storage; the copy starts afresh."
            )
        self._require_promise(sha256)
        self.sha256 = sha256

    def _require_promise(self, sha256: str) -> None:
        promised = _promise(self.landing, self.source.name)[1]
        if promised not in (None, sha256):
            raise DropUnreadableError(
                f"{self.source.name}: expected SHA-256 {promised} by its manifest, found "
                f"{sha256}. Send the drop or its manifest again."
            )


def complete_source(landing: Zone, name: str) -> FileInfo:
    """Return the description of a complete source file.

    Raises:
        DropChangedError: the file does not exist.
        DropUnreadableError: it is empty, or its size differs from the sender's manifest.
    """
    source = landing.stat(name)
    if source is None and (kind := landing.no_files().get(name)) is not None:
        raise DropUnreadableError(
            f"{name}: expected a file in {landing.url}, found a {kind}. Put a copy of the file in "
            "its place, or move it away."
        )
    if source is None:
        raise _vanished(landing, name)
    if source.size_bytes == 0:
        raise DropUnreadableError(
            f"{name}: expected a drop with rows, found an empty file. Send it again."
        )
    promised = _promise(landing, name)[0]
    if promised not in (None, source.size_bytes):
        raise DropUnreadableError(
            f"{name}: expected {promised:,} bytes by its manifest, found {source.size_bytes:,}. "
            "Wait until the sender is done, or send the drop or its manifest again."
        )
    return source


def _promise(landing: Zone, name: str) -> tuple[int | None, str | None]:
    """Return size and SHA-256 from the sender's manifest, None for each that is not given."""
    try:
        manifest = read_sender_manifest(landing, name + SENDER_SUFFIX)
    except FileNotFoundError:
        return None, None
    return manifest.size_bytes, manifest.sha256


def _is_intact(raw: Zone, held: RawManifest, source: FileInfo) -> bool:
    """Return whether the raw zone has this source's content with the correct checksum."""
    return (
        held.name == source.name
        and held.source_fingerprint == source.fingerprint
        and sha256_of(raw, held.name) == held.sha256
    )


def _remove_leftovers(raw: Zone, drop: str, name: str) -> None:
    """Remove all other files of the drop from the raw zone, manifests before files."""
    own = file_name_of(drop)
    begins, kept = (own, f".{own}"), (name, name + RAW_SUFFIX)
    names = [file.name for file in raw.list_files()]
    older = [other for other in names if other.startswith(begins) and other not in kept]
    for other in sorted(older, key=lambda other: not other.endswith(RAW_SUFFIX)):
        raw.remove(other)


def _vanished(landing: Zone, name: str) -> DropChangedError:
    return DropChangedError(
        f"{name}: expected it in {landing.url}, found it gone. Send it again; the sensor then "
        "asks for it."
    )
