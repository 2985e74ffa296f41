"""One home, one data set: what is stored in a home is what one declaration says.

Here: `require_own_data_set`, which every process calls once as it starts.
Not here: whether features and models fit a declaration (`features.compatibility`), the columns of
tables (`contracts.tables`).

Drops of another source have other keys and other columns. In one lake their rows would be taken for
rows of the first one.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fraud_platform.adapters.storage.schemes import local_path
from fraud_platform.contracts.active import (
    DATA_SET,
    DATA_SET_VARIABLE,
    DEFAULT_DATA_SET,
    KEPT_BESIDE,
)
from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings

CURRENT = "declaration/current.py"
"""In FRAUD_HOME: the declaration that was applied last."""
PINNED = "declaration/read"
"""In FRAUD_HOME: copies of the declarations that processes read, each in a folder of its own."""
MARK = "data_set.json"
"""In FRAUD_HOME: the name of the data set, and what its stored rows mean."""


def meaning_of(source: SourceSpec) -> dict[str, Any]:
    """Return what decides the meaning of stored rows, as JSON has it.

    Where a value comes from (columns, formats, time zone) is not part of it, so a sender may change
    its files.
    """
    keys = (source.transaction_id, source.customer, source.counterparty)
    return {
        "text keys": [key.is_text for key in keys],
        "entities": [source.customer.name, source.counterparty.name],
        "amount": [source.amount.currency, source.amount.digits],
        "kinds of fraud": list(source.label.kinds),
        "facts": {fact.name: [fact.kind, fact.digits] for fact in source.facts},
    }


def require_own_data_set(settings: Settings) -> None:
    """Mark a new home with the data set of this process, or check the mark that is there.

    Raises:
        SettingsError: the home holds rows of another data set, or another declaration of it was
            applied last.
    """
    require_own_rows(settings)
    current = settings.home / CURRENT
    if not current.exists():
        if DATA_SET.text:
            write_whole(current, DATA_SET.text)
    elif current.read_text() != DATA_SET.text:
        raise SettingsError(
            f"{DATA_SET_VARIABLE}: expected the declaration that was applied last ({current}), "
            f"found another text of {DATA_SET.name}. See what changes with `fraud-platform plan "
            "FILE`, then `fraud-platform apply FILE`."
        )
    if DATA_SET.text:
        _pin(settings.home)


def _pin(home: Path) -> None:
    """Let child processes read a copy of what this process read, even if the file changes.

    Spark starts Python workers at any time; one that read an edited file would compute by another
    declaration.
    """
    content = json.dumps([DATA_SET.text, list(DATA_SET.kept)]).encode()
    folder = home / PINNED / hashlib.sha256(content).hexdigest()[:16]
    file = folder / f"{DATA_SET.name}.py"
    if not file.exists() and home.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / KEPT_BESIDE, json.dumps(list(DATA_SET.kept)))
        write_whole(file, DATA_SET.text)
    if file.exists():
        os.environ[DATA_SET_VARIABLE] = str(file)


def require_own_rows(settings: Settings) -> None:
    """Require that the rows of a home mean what they mean in this process; mark a new home.

    Raises:
        SettingsError: the home holds rows of another data set; the message names what differs.
    """
    path = settings.home / MARK
    own = {"data_set": DATA_SET.name, **meaning_of(DATA_SET.source)}
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        if DATA_SET.name != DEFAULT_DATA_SET and _has_rows(settings):
            raise _refusal(path, DEFAULT_DATA_SET, ["everything"]) from None
        write_whole(path, json.dumps(own, indent=1))
        return
    differing = [name for name in own if name != "data_set" and found.get(name) != own[name]]
    if differing:
        raise _refusal(path, str(found.get("data_set")), differing)


def _has_rows(settings: Settings) -> bool:
    """Return whether a home of before there were marks has tables."""
    lake = local_path(settings.lake)
    return lake is not None and lake.is_dir() and any(lake.glob("*/_delta_log"))


def write_whole(path: Path, text: str) -> None:
    """Write a file of a home so that another process sees all of it or none."""
    if not path.parent.is_dir():
        if not path.parents[1].is_dir():
            return  # nothing is stored yet
        path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def _refusal(path: Path, name: str, differing: list[str]) -> SettingsError:
    return SettingsError(
        f"{DATA_SET_VARIABLE}: expected the data set {name}, whose rows {path.parent} holds, found "
        f"{DATA_SET.name}, which differs in {', '.join(differing)}. Set {DATA_SET_VARIABLE} as "
        "before, or use a home of its own (FRAUD_HOME)."
    )
