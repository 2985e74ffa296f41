"""Finding complete and new drops in the landing zone, from one look to the next.

Here: settling, sender's manifests, replaced and touched files, names that are no date, the cursor.
Not here: copying (`copying`), requesting runs (`fraud_platform.defs`).

If the cursor is lost, nothing else is: the raw zone's manifests say which drops are copied, and a
content always has the same key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fraud_platform.contracts.drop_names import drop_of
from fraud_platform.contracts.drops import printable
from fraud_platform.contracts.zones import FOLDER, FileInfo, Zone, sha256_of
from fraud_platform.errors import DataError, DropNameError
from fraud_platform.ingest.manifests import (
    SENDER_SUFFIX,
    RawManifest,
    SenderManifest,
    read_raw_manifests,
    read_sender_manifest,
)

SUCCESS_MARK = "_SUCCESS"
UPLOAD_SUFFIXES = (".tmp", ".temp", ".part", ".partial", ".filepart", "._COPYING_")
"""Suffixes of unfinished files of upload tools."""

MAX_COMPARED_BYTES = 4 << 30
"""A larger file whose times changed is copied again instead of being hashed in a sensor tick."""


@dataclass(frozen=True)
class DropArrival:
    """A complete drop whose content is not in the raw zone.

    Attributes:
        drop: The drop's key, its first day.
        name: File name in landing.
        size_bytes: Size of the file.
        fingerprint: `FileInfo.fingerprint` of the file.
        replaces: SHA-256 of the raw copy that it replaces, or None for a first arrival.
    """

    drop: str
    name: str
    size_bytes: int
    fingerprint: str
    replaces: str | None = None


@dataclass(frozen=True)
class Complaint:
    """A file in landing that cannot be ingested, with the error message."""

    name: str
    message: str


@dataclass(frozen=True)
class Sighting:
    """A file's fingerprint and since when it has it; `held` if its content is in the raw zone."""

    fingerprint: str
    since: float
    held: bool = False


@dataclass(frozen=True)
class LandingLook:
    """One look at landing: drops to copy, incomplete files, problems, and the next cursor."""

    arrivals: tuple[DropArrival, ...] = ()
    waiting: tuple[str, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    sightings: Mapping[str, Sighting] = field(default_factory=dict)

    @property
    def cursor(self) -> str:
        """The sightings as JSON, for the next look."""
        return json.dumps(
            {n: [s.fingerprint, s.since, s.held] for n, s in sorted(self.sightings.items())}
        )


def parse_cursor(cursor: str | None) -> dict[str, Sighting]:
    """Return the sightings in a cursor; an invalid cursor counts as empty."""
    try:
        return {
            str(name): Sighting(str(fingerprint), float(since), bool(held))
            for name, (fingerprint, since, held) in json.loads(cursor or "{}").items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def find_drops(
    files: Sequence[FileInfo],
    cursor: str | None,
    now: float,
    *,
    settle_seconds: float,
    senders: Mapping[str, SenderManifest | Complaint],
    raw: Mapping[str, RawManifest],
    is_same_content: Callable[[FileInfo, RawManifest], bool],
) -> LandingLook:
    """Return the result of one look, from a listing of landing.

    Args:
        files: The listing, including marks and manifests.
        cursor: The cursor of the previous look, or None.
        now: Time of the look, seconds since the epoch.
        settle_seconds: A file is complete if it has not changed for this long.
        senders: By file name of the drop, its sender's manifest or the problem with it.
        raw: The raw zone's manifests, by drop.
        is_same_content: Returns whether a file with the same size but another fingerprint (touched
            or sent again) has the same bytes as the raw copy.

    Returns:
        Arrivals are ordered by drop. A complete content that is not in the raw zone is an arrival
        in every look until it is copied.
    """
    before = parse_cursor(cursor)
    marked_at = next((f.modified_at for f in files if f.name == SUCCESS_MARK), None)
    named, complaints = _named_drops(files)
    arrivals, waiting, sightings = [], [], {}
    for drop, file in named:
        held = raw.get(drop)
        seen = before.get(file.name)
        if seen is None or seen.fingerprint != file.fingerprint or seen.since > now:
            seen = Sighting(file.fingerprint, now)
        settled = now - seen.since >= settle_seconds
        sender = senders.get(file.name)
        if isinstance(sender, Complaint):
            complaints.append(sender)
        elif sender is not None and sender.size_bytes not in (None, file.size_bytes):
            if settled and settle_seconds > 0:
                complaints.append(_short_of_manifest(file, sender))
            waiting.append(file.name)
        elif sender is None and not settled and not _is_marked(file, marked_at):
            waiting.append(file.name)
        elif held is not None and _is_held(file, held, seen, is_same_content):
            seen = Sighting(seen.fingerprint, seen.since, held=True)
        else:
            replaces = held.sha256 if held else None
            arrivals.append(
                DropArrival(drop, file.name, file.size_bytes, file.fingerprint, replaces)
            )
        sightings[file.name] = seen
    return LandingLook(tuple(arrivals), tuple(waiting), tuple(complaints), sightings)


def observe_landing(
    landing: Zone, raw: Zone, cursor: str | None, now: float, settle_seconds: float
) -> LandingLook:
    """Look at landing once: list both zones, read the manifests, find complete and new drops.

    Raises:
        Outage: a zone does not answer.
        SettingsError: a zone refuses access.
    """
    files = landing.list_files()
    senders: dict[str, SenderManifest | Complaint] = {}
    for file in files:
        if file.name.endswith(SENDER_SUFFIX):
            try:
                manifest = read_sender_manifest(landing, file.name)
                senders[file.name.removesuffix(SENDER_SUFFIX)] = manifest
            except FileNotFoundError:
                continue
            except DataError as error:
                about = file.name.removesuffix(SENDER_SUFFIX)
                senders[about] = Complaint(printable(file.name), str(error))

    def is_same_content(file: FileInfo, held: RawManifest) -> bool:
        if file.size_bytes > MAX_COMPARED_BYTES:
            return False
        try:
            return sha256_of(landing, file.name) == held.sha256
        except (FileNotFoundError, DataError):
            return False

    look = find_drops(
        files,
        cursor,
        now,
        settle_seconds=settle_seconds,
        senders=senders,
        raw=read_raw_manifests(raw),
        is_same_content=is_same_content,
    )
    return replace(look, complaints=(*look.complaints, *refused_entries(landing)))


def refused_entries(landing: Zone) -> list[Complaint]:
    """Return what is in landing and is no file of its own: links, pipes, devices, drops' folders.

    A link may lead out of landing, to what its sender may not read and the platform may.
    """
    return [
        Complaint(
            printable(name),
            f"{printable(name)}: expected a file in {landing.url}, found a {kind}. Put a copy of "
            "the file in its place, or move it away.",
        )
        for name, kind in sorted(landing.no_files().items())
        if not name.startswith((".", "_")) and (kind != FOLDER or _is_drop(name))
    ]


def _is_drop(name: str) -> bool:
    try:
        drop_of(name)
    except DropNameError:
        return False
    return True


def _named_drops(
    files: Sequence[FileInfo],
) -> tuple[list[tuple[str, FileInfo]], list[Complaint]]:
    """Return (drop, file) pairs ordered by drop, and complaints about all other files."""
    named, complaints = [], []
    for file in files:
        name = file.name
        if name.startswith((".", "_")) or name.endswith((SENDER_SUFFIX, *UPLOAD_SUFFIXES)):
            continue
        try:
            named.append((drop_of(name), file))
        except DropNameError as error:
            complaints.append(Complaint(printable(name), str(error)))
    count = Counter(drop for drop, _ in named)
    complaints += [
        Complaint(file.name, _several_files(file.name, drop, count[drop]))
        for drop, file in named
        if count[drop] > 1
    ]
    single = [(drop, file) for drop, file in named if count[drop] == 1]
    return sorted(single, key=lambda pair: pair[0]), complaints


def name_complaints(files: Sequence[FileInfo]) -> list[Complaint]:
    """Return the files of a listing that cannot be a drop by their names, and why."""
    return _named_drops(files)[1]


def drop_names(landing: Zone) -> dict[str, list[str]]:
    """Return, by drop and in their order, the names that its files have in landing."""
    found: dict[str, list[str]] = {}
    for file in landing.list_files():
        try:
            found.setdefault(drop_of(file.name), []).append(file.name)
        except DropNameError:
            continue
    return dict(sorted(found.items()))


def only_name(drop: str, names: Sequence[str]) -> str:
    """Return the name of a drop's one file in landing.

    Raises:
        DropNameError: there are several, and which is right is the sender's to say.
    """
    if len(names) > 1:
        raise DropNameError(_several_files(", ".join(names), drop, len(names)))
    return names[0]


def _several_files(name: str, drop: str, count: int) -> str:
    return (
        f"{name}: expected one file for drop {drop}, found {count}. "
        "Keep the right one in landing and move the others away."
    )


def _is_marked(file: FileInfo, marked_at: float | None) -> bool:
    """Return whether a `_SUCCESS` mark was written after the file's last change."""
    return marked_at is not None and file.modified_at is not None and file.modified_at <= marked_at


def _is_held(
    file: FileInfo,
    held: RawManifest,
    seen: Sighting,
    is_same_content: Callable[[FileInfo, RawManifest], bool],
) -> bool:
    """Return whether the raw zone already has this content; only a touched file is hashed."""
    if held.name != file.name or held.size_bytes != file.size_bytes:
        return False
    return held.source_fingerprint == file.fingerprint or seen.held or is_same_content(file, held)


def _short_of_manifest(file: FileInfo, sender: SenderManifest) -> Complaint:
    return Complaint(
        file.name,
        f"{file.name}: expected {sender.size_bytes} bytes by its manifest, found "
        f"{file.size_bytes} and no change. Send the drop or its manifest again.",
    )
