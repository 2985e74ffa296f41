"""Manifests of drops: the sender's in landing, the platform's in the raw zone.

Here: their names and contents, parsing, writing.
Not here: deciding whether a drop is complete (`arrivals`), copying it (`copying`).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields

from fraud_platform.contracts.drops import printable
from fraud_platform.contracts.zones import Zone, read_whole
from fraud_platform.errors import DataError, DropUnreadableError

SENDER_SUFFIX = ".manifest"
RAW_SUFFIX = ".json"
MAX_MANIFEST_BYTES = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SenderManifest:
    """The sender's description of a drop: its size in bytes and, optionally, its SHA-256."""

    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class RawManifest:
    """The description of a copy in the raw zone; it is written last, so the copy is complete.

    Attributes:
        drop: The drop's key, its first day.
        name: File name of the copy, the same as in landing.
        size_bytes: Size of the copy.
        sha256: SHA-256 of the copy's bytes, computed from the source and verified on the copy.
        source_url: Where it was copied from.
        source_fingerprint: `FileInfo.fingerprint` of the source.
        copied_at: ISO 8601 time (UTC).
    """

    drop: str
    name: str
    size_bytes: int
    sha256: str
    source_url: str
    source_fingerprint: str
    copied_at: str

    def to_json(self) -> bytes:
        """Return the manifest as JSON."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


def read_sender_manifest(landing: Zone, name: str) -> SenderManifest:
    """Read a sender's manifest from landing.

    Raises:
        DropUnreadableError: it is longer than `MAX_MANIFEST_BYTES`, or not a valid manifest.
        FileNotFoundError: the file does not exist.
    """
    data = b""
    for chunk in landing.read(name):
        data += chunk
        if len(data) > MAX_MANIFEST_BYTES:
            raise DropUnreadableError(
                f"{printable(name)}: expected at most {MAX_MANIFEST_BYTES:,} bytes, found more. "
                "Write the manifest again."
            )
    return parse_sender_manifest(name, data)


def parse_sender_manifest(name: str, data: bytes) -> SenderManifest:
    """Return a parsed sender's manifest; an empty file only means that the drop is complete.

    Raises:
        DropUnreadableError: it is not a JSON object with `size_bytes` and an optional `sha256`.
    """
    if not data.strip():
        return SenderManifest()
    try:
        content = json.loads(data)
        size, sha256 = content["size_bytes"], content.get("sha256")
        if type(size) is not int or size < 0:
            raise ValueError("size_bytes is no whole number of 0 or more")
        if sha256 is not None and not _SHA256.fullmatch(str(sha256).lower()):
            raise ValueError("sha256 is not 64 hex digits")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DropUnreadableError(
            f'{printable(name)}: expected {{"size_bytes": bytes, "sha256": "64 hex digits"}} (the '
            f"checksum is optional), found {len(data):,} bytes that say something else "
            f"({_wrong(error)}). Write the manifest again."
        ) from None
    return SenderManifest(size, None if sha256 is None else str(sha256).lower())


def _wrong(error: Exception) -> str:
    """Return what is wrong with a manifest, without its contents: it may be a drop, misnamed."""
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON from character {error.pos} on"
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    if type(error) is ValueError:
        return str(error)
    deep = "maximum recursion depth exceeded"
    return deep if isinstance(error, RecursionError) else "no JSON object of such values"


def parse_raw_manifest(name: str, data: bytes) -> RawManifest:
    """Return a parsed manifest of the raw zone.

    Raises:
        DropUnreadableError: it is not a manifest that the platform wrote.
    """
    expected = [field.name for field in fields(RawManifest)]
    try:
        content = json.loads(data)
        return RawManifest(**{key: content[key] for key in expected})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DropUnreadableError(
            f"{name}: expected a raw manifest with {', '.join(expected)}, found {len(data):,} "
            f"bytes that say something else ({_wrong(error)}). Remove it and materialize "
            "raw_drops for this drop again."
        ) from None


def read_raw_manifests(raw: Zone) -> dict[str, RawManifest]:
    """Return the raw zone's manifests by drop; one whose file is missing or incomplete is ignored.

    If a drop has several, the latest copy counts.
    """
    sizes = {file.name: file.size_bytes for file in raw.list_files()}
    manifests: dict[str, RawManifest] = {}
    for name in sizes:
        if not name.endswith(RAW_SUFFIX) or name.startswith("."):
            continue
        try:
            manifest = parse_raw_manifest(name, read_whole(raw, name))
        except (FileNotFoundError, DataError):
            continue
        if sizes.get(manifest.name) == manifest.size_bytes:
            latest = manifests.get(manifest.drop, manifest)
            manifests[manifest.drop] = max(latest, manifest, key=lambda m: m.copied_at)
    return manifests
