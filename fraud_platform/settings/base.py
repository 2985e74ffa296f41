"""What every group of settings shares: the prefix of its variables, and the home folder.

Here: `HomeSettings`, from which the groups beside this module derive.
Not here: the groups, or the rules between them (`tree`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "FRAUD_"


class HomeSettings(BaseSettings):
    """Where local state lies; every field of a group is the variable `FRAUD_<NAME>`."""

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
        # A process that changes its folder later keeps its state where it was.
        return home.absolute()
