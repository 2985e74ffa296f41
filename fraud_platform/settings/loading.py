"""Reading the settings from the environment and reporting all problems at once.

Here: `load_settings` and its error messages.
Not here: the settings (`tree` and the groups).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fraud_platform.errors import SettingsError
from fraud_platform.settings.base import PREFIX
from fraud_platform.settings.choices import Choices, checked_against
from fraud_platform.settings.secrets import (
    FILE_SUFFIX,
    read_secret_files,
    secret_names,
    variable,
)
from fraud_platform.settings.tree import Settings

OTHER_VARIABLES = frozenset(
    {"FRAUD_REAL_DROPS", "FRAUD_KILL_AT", "FRAUD_STOP_AT", "FRAUD_SERVICE_TOKEN"}
)
"""`FRAUD_*` variables that are not settings; tests and running services use them."""


def load_settings(choices: Choices | None = None) -> Settings:
    """Read the settings from the environment; an entry point does so once and hands them down.

    Args:
        choices: the names that higher packages declare; None does not check them.

    Raises:
        SettingsError: lists every problem, each with its variable.
    """
    secrets, unread = read_secret_files(secret_names(Settings.model_fields), os.environ)
    problems = _unknown_variables(os.environ) + unread
    given: dict[str, Any] = dict(secrets)
    with checked_against(choices):
        try:
            settings = Settings(**given)
        except ValidationError as error:
            problems += _problems(error)
    if problems:
        raise SettingsError(
            "The settings are not valid:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nFix these variables and restart."
        )
    return settings.with_secret_files(
        {name: Path(os.environ[variable(name) + FILE_SUFFIX]) for name in secrets}
    )


def _problems(error: ValidationError) -> list[str]:
    """Return all problems: of single settings, and between settings even if single ones fail.

    Pydantic checks the rules between settings only if every single one is valid. If one is not,
    the rules are checked with the defaults of the invalid ones.
    """
    invalid = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    problems = [
        f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
        if e["loc"]
    ]
    if invalid:
        fields = Settings.model_fields
        try:
            Settings(**{name: fields[name].default for name in invalid})
            return problems
        except ValidationError as between_settings:
            error = between_settings
    return problems + [
        problem
        for e in error.errors()
        if not e["loc"]
        for problem in e["msg"].removeprefix("Value error, ").split("; ")
    ]


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a problem for every unknown `FRAUD_*` variable, with the most similar setting."""
    known = {variable(name) for name in Settings.model_fields}
    known |= {variable(name) + FILE_SUFFIX for name in secret_names(Settings.model_fields)}
    problems = []
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | OTHER_VARIABLES:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"{name} is not a setting{meant}")
    return problems
