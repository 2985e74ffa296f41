"""The base class of all groups of settings: the prefix of their variables, and the home folder.

Here: `HomeSettings`, from which every group derives.
Not here: the groups (the other modules), or the rules between them (`tree`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fraud_platform.settings.paths import require_usable

PREFIX = "FRAUD_"


class HomeSettings(BaseSettings):
    """The folder of local state; every field of a group is read from `FRAUD_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(
        default=Path(".fraud_platform"),
        validate_default=True,
        description="Folder of all local state (ignored by git).",
    )

    @field_validator("home")
    @classmethod
    def _fix_home(cls, home: Path) -> Path:
        # Absolute, so that a later change of the working directory does not move the state.
        home = home.absolute()
        require_usable(str(home))
        if home.exists() and not home.is_dir():
            raise ValueError(f"expected a folder, found a file: {home}. Name another folder.")
        return home
