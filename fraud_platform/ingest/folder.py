"""The drops in a folder of this machine that a person names on the command line.

Here: which files are drops, and what is said of a folder that has none.
Not here: the landing zone, which may be elsewhere (`ingest.arrivals`).
"""

from __future__ import annotations

from pathlib import Path

from fraud_platform.contracts.drop_names import DROP_FILE_WORDS, drop_of
from fraud_platform.contracts.drops import COMPRESSIONS
from fraud_platform.errors import DropNameError, SettingsError


def drops_in(folder: Path) -> dict[str, Path]:
    """Return the drops of a folder by name.

    Raises:
        SettingsError: it is no folder, cannot be read, has no drop, has one that is no file, or
            has two files of one drop.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise SettingsError(
            f"--drops {folder}: expected a folder of drops named {DROP_FILE_WORDS}, found {found}. "
            "Name the folder that has them."
        )
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error
    drops: dict[str, Path] = {}
    for path in paths:
        try:
            drop = drop_of(path.name)
        except DropNameError:
            continue
        if not path.is_file():
            raise SettingsError(
                f"{path}: expected a drop's file, found a folder or a broken link under a drop's "
                "name. Rename it, or move it away."
            )
        if drop in drops:
            raise SettingsError(
                f"{folder}: expected one file of drop {drop}, found {drops[drop].name} and "
                f"{path.name}. Move one of them away."
            )
        drops[drop] = path
    if not drops:
        raise SettingsError(
            f"--drops {folder}: expected drops named {DROP_FILE_WORDS} "
            f"(or {', '.join(COMPRESSIONS)} after it), found none. "
            "Rename the files, or name another folder."
        )
    return drops


def unreadable(path: Path, error: OSError) -> SettingsError:
    """Return the error that says what a person does about a path that cannot be read."""
    return SettingsError(
        f"{path}: expected something that this user can read, found: {error.strerror or error}. "
        "Give this user the right to read it, or name another."
    )
