"""Where data lies: landing zone, raw zone, lake.

Here: their URLs, and how long files stay.
Not here: clients of storage (`fraud_platform.adapters`).
"""

from __future__ import annotations

import os
from functools import cached_property

from pydantic import Field

from fraud_platform.settings.base import HomeSettings


class StorageSettings(HomeSettings):
    """Zones and lake, each a local path or a URL."""

    landing_url: str | None = Field(default=None, description="Where drops arrive.")
    raw_url: str | None = Field(default=None, description="Where raw drops are kept as they came.")
    lake_url: str | None = Field(default=None, description="Where the Delta tables live.")
    drop_settle_seconds: float = Field(
        default=10.0, ge=0, description="A drop whose size stood still this long is complete."
    )
    vacuum_retention_hours: int = Field(
        default=168, ge=1, description="Age at which files of replaced table versions may go."
    )

    @cached_property
    def landing(self) -> str:
        """URL of the landing zone."""
        return location(self.landing_url or str(self.home / "landing"))

    @cached_property
    def raw(self) -> str:
        """URL of the raw zone."""
        return location(self.raw_url or str(self.home / "raw"))

    @cached_property
    def lake(self) -> str:
        """URL of the lake."""
        return location(self.lake_url or str(self.home / "lake"))


def location(url: str) -> str:
    """Return a URL in one spelling: a local path is absolute, without `file://` or a last slash."""
    scheme, _, path = url.rpartition("://")
    if scheme in ("", "file"):
        return os.path.normpath(os.path.abspath(path))
    return url.rstrip("/")
