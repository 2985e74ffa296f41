"""Reading the settings from the environment, every problem named at once.

Here: `load_settings`, and the words for what is wrong.
Not here: the settings (`tree` and the groups).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from fraud_platform.errors import SettingsError
from fraud_platform.settings.base import PREFIX
from fraud_platform.settings.secrets import (
    FILE_SUFFIX,
    read_secret_files,
    secret_names,
    variable,
)
from fraud_platform.settings.tree import Settings

OTHER_VARIABLES = frozenset({"FRAUD_REAL_DROPS", "FRAUD_KILL_AT", "FRAUD_SERVICE_TOKEN"})
"""Variables of the platform that are no settings: tests and running services use them."""


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once from the environment.

    Raises:
        SettingsError: lists every problem found, each with its variable.
    """
    secrets, unread = read_secret_files(secret_names(Settings.model_fields), os.environ)
    problems = _unknown_variables(os.environ) + unread
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        problems += _problems(error)
    if problems:
        raise SettingsError(
            "The settings cannot work together:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nMend these variables and start again."
        )
    return settings.with_secret_files(
        {name: Path(os.environ[variable(name) + FILE_SUFFIX]) for name in secrets}
    )


def _problems(error: ValidationError) -> list[str]:
    """Return every problem of the settings; those between settings too, where single ones fail."""
    wrong = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    found = [
        f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
        if e["loc"]
    ]
    if wrong:
        fields = Settings.model_fields
        try:
            Settings(**{name: fields[name].default for name in wrong})
            return found
        except ValidationError as together:
            error = together
    return found + [
        problem
        for e in error.errors()
        if not e["loc"]
        for problem in e["msg"].removeprefix("Value error, ").split("; ")
    ]


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Name every `FRAUD_*` variable that nothing reads, with the setting that it may have meant."""
    known = {variable(name) for name in Settings.model_fields}
    known |= {variable(name) + FILE_SUFFIX for name in secret_names(Settings.model_fields)}
    problems = []
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | OTHER_VARIABLES:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"{name} is no setting{meant}")
    return problems
