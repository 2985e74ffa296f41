"""Where data lies: landing zone, raw zone, lake, artifacts.

Here: their URLs, and how long files stay.
Not here: clients of storage (`fraud_platform.adapters`).
"""

from __future__ import annotations

import os
from functools import cached_property

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings

SCHEMES = ("file", "s3", "hdfs")
"""Where a commit is safe: by rename, by conditional put, by rename."""


class StorageSettings(HomeSettings):
    """Zones, lake and artifacts: each a local path, `s3://bucket/..` or `hdfs://host:port/..`.

    S3 is reached by AWS's own variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL), HDFS by Hadoop's (HADOOP_USER_NAME, HADOOP_CONF_DIR).
    """

    landing_url: str | None = Field(
        default=None, description="Where drops arrive; else landing/ in FRAUD_HOME."
    )
    raw_url: str | None = Field(
        default=None, description="Where raw drops are kept as they came; else raw/."
    )
    lake_url: str | None = Field(
        default=None, description="Where the Delta tables live; else lake/."
    )
    artifacts_url: str | None = Field(
        default=None, description="Where MLflow keeps models and reports; else mlflow/artifacts/."
    )
    drop_settle_seconds: float = Field(
        default=10.0, ge=0, description="A drop whose size stood still this long is complete."
    )
    vacuum_retention_hours: int = Field(
        default=168, ge=1, description="Age at which files of replaced table versions may go."
    )

    @field_validator("landing_url", "raw_url", "lake_url", "artifacts_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        scheme = url.partition("://")[0] if url and "://" in url else "file"
        if scheme not in SCHEMES:
            meant = {
                "s3a": " (write s3://)",
                "s3n": " (write s3://)",
                "webhdfs": " (write hdfs://)",
            }
            raise ValueError(
                f"expected a path, s3://bucket/.. or hdfs://host:port/.., found {scheme}://"
                f"{meant.get(scheme, '')}; elsewhere two writers could lose a commit"
            )
        return url

    @cached_property
    def uses_s3(self) -> bool:
        """Whether Spark meets S3."""
        return any(url.startswith("s3://") for url in (self.landing, self.raw, self.lake))

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
    """Return a URL in one spelling: a local path is absolute, without `file://` or a last slash."""
    scheme, _, path = url.rpartition("://")
    if scheme in ("", "file"):
        return os.path.normpath(os.path.abspath(path))
    return url.rstrip("/")
