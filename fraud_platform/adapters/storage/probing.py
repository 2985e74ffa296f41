"""Whether a storage answers, reported within seconds and in one line.

Here: asking a storage before it is used, and explaining why a call failed.
Not here: the questions (`adapters.storage.answers`), what is read or written there.

Clients wait long for a server that accepts a connection and never answers, and some call a missing
bucket an empty table. So the first use in a while asks with a client of few retries.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.failures import first_line, is_refusal
from fraud_platform.adapters.storage.schemes import local_path, scheme_of
from fraud_platform.errors import Outage

_TRUSTED_SECONDS = 30.0
_answered: dict[str, float] = {}
_safe: set[str] = set()


def require_storage(url: str) -> None:
    """Return if the storage of a URL answers; asked at most every half minute.

    Raises:
        SettingsError: it refuses access, or has no such place.
        Outage: it does not answer.
    """
    if local_path(url) is not None:
        return
    place = _place(url)
    if time.monotonic() - _answered.get(place, -_TRUSTED_SECONDS) < _TRUSTED_SECONDS:
        return
    scheme_of(url).require_answer(url)
    _answered[place] = time.monotonic()


def require_safe_commits(url: str) -> None:
    """Return if commits to tables at a URL exclude each other; a storage is asked once.

    Raises:
        SettingsError: two writers can create the same file, so a commit could be lost.
    """
    if _place(url) not in _safe:
        scheme_of(url).require_safe_commits(url)
        _safe.add(_place(url))


def forget() -> None:
    """Ask every storage again before its next use."""
    _answered.clear()
    _safe.clear()


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Ask the storage first, and turn what it refuses within the block into a clear error.

    Raises:
        Outage: the storage is full, read-only, broken or away.
        SettingsError: it refuses who asks, or has no such bucket.
    """
    require_storage(url)
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        scheme_of(url).require_answer(url)
        raise Outage(
            f"lake: expected to read and write {url}, found: {first_line(error)}. Check that the "
            "storage is there, writable and not full; nothing that was committed is lost."
        ) from error


def _place(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))
