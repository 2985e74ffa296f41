"""Where Spark runs, and how much of a machine it takes.

Here: the URL of a session and its sizes.
Not here: building a session (`fraud_platform.adapters.spark`).
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings

_SPARK_URL = re.compile(r"local(\[(\d+|\*)\])?|(sc|spark|k8s)://.+|yarn")


class SparkSettings(HomeSettings):
    """Spark, addressed by one URL."""

    spark_url: str = Field(
        default="local[2]", description="local[N], sc://host:port, spark://host:port or yarn."
    )
    spark_memory: str = Field(
        default="4g", pattern=r"^\d+[mg]$", description="Driver memory of an embedded Spark."
    )
    spark_shuffle_partitions: int = Field(default=4, ge=1, description="Shuffle partitions.")
    max_rows_per_run: int = Field(
        default=50_000_000, ge=1, description="Most transactions that one features run covers."
    )

    @field_validator("spark_url")
    @classmethod
    def _check_spark_url(cls, url: str) -> str:
        if not _SPARK_URL.fullmatch(url):
            raise ValueError("expected local[N], sc://host:port, spark://host:port, k8s:// or yarn")
        return url

    @cached_property
    def jars(self) -> Path:
        """Folder of the jars that Spark needs for Delta; those of Kafka lie in it too."""
        return self.home / "jars"
