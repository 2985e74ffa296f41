"""Where data is stored: landing zone, raw zone, lake, artifacts.

Here: their URLs, and the retention of files.
Not here: storage clients (`fraud_platform.adapters.storage`).
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings
from fraud_platform.settings.choices import require_scheme
from fraud_platform.settings.paths import require_usable


class StorageSettings(HomeSettings):
    """Zones, lake and artifacts: each a local path, `s3://bucket/..` or `hdfs://host:port/..`.

    S3 access is configured by AWS's variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_REGION, AWS_ENDPOINT_URL), HDFS access by Hadoop's (HADOOP_USER_NAME, HADOOP_CONF_DIR).
    """

    data_set: str = Field(
        default="handbook",
        description="The data set: `handbook`, or the path of a Python file that declares one.",
    )
    landing_url: str | None = Field(
        default=None, description="Where drops arrive; default: landing/ in FRAUD_HOME."
    )
    raw_url: str | None = Field(
        default=None, description="Where unchanged copies of drops are kept; default: raw/."
    )
    lake_url: str | None = Field(
        default=None, description="Where the Delta tables are; default: lake/."
    )
    artifacts_url: str | None = Field(
        default=None,
        description="Where MLflow stores models and reports; default: mlflow/artifacts/.",
    )
    drop_settle_seconds: float = Field(
        default=10.0,
        ge=0,
        description="A drop is complete if its size has not changed for this many seconds.",
    )
    max_unpacked_ratio: float = Field(
        default=50.0, gt=0, description="Bytes of text that a packed drop may have for each byte."
    )
    max_unpacked_gb: float = Field(
        default=64.0, gt=0, description="Gigabytes of text that a packed drop may have."
    )
    min_free_gb: float = Field(
        default=1.0, ge=0, description="Gigabytes that stay free where drops are unpacked."
    )
    vacuum_retention_hours: int = Field(
        default=168,
        ge=1,
        description="Age in hours at which files of replaced table versions are deleted.",
    )

    @field_validator("data_set")
    @classmethod
    def _make_absolute(cls, data_set: str) -> str:
        # A child process may have another working directory.
        return str(Path(data_set).absolute()) if data_set.endswith(".py") else data_set

    @field_validator("landing_url", "raw_url", "lake_url", "artifacts_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        scheme = require_scheme(url) if url and "://" in url else "file"
        if url and scheme == "file":
            require_usable(url.removeprefix("file://"))
        return url

    @cached_property
    def spark_locations(self) -> tuple[str, str, str]:
        """The URLs that Spark reads or writes."""
        return self.landing, self.raw, self.lake

    @cached_property
    def artifacts(self) -> str:
        """URL of MLflow's artifacts."""
        return location(self.artifacts_url or str(self.home / "mlflow" / "artifacts"))

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
    """Return a normalised URL: no trailing slash; local paths absolute and without `file://`."""
    scheme, _, path = url.rpartition("://")
    if scheme in ("", "file"):
        return os.path.normpath(os.path.abspath(path))  # noqa: PTH100 - links must not be resolved
    return url.rstrip("/")
