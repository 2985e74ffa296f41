"""Where Spark runs, and with which resources.

Here: the URL of a session, memory and cores, the token and Python environment for a cluster, the
warm Connect server.
Not here: opening a session (`fraud_platform.adapters.spark.session`), ephemeral clusters
(`settings.clusters`).
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings

_SPARK_URL = re.compile(r"local(\[(\d+|\*)\])?|(sc|spark)://.+|yarn")


class SparkSettings(HomeSettings):
    """Spark, addressed by one URL."""

    spark_url: str = Field(
        default="local[2]", description="local[N], sc://host:port, spark://host:port or yarn."
    )
    spark_memory: str = Field(
        default="4g", pattern=r"^\d+[mg]$", description="Memory of the driver's JVM."
    )
    spark_token_file: Path | None = Field(
        default=None,
        description="File with the token of a Connect server (the URL must not contain it).",
    )
    spark_server: bool = Field(
        default=False, description="Whether to run a warm Connect server that all runs share."
    )
    spark_server_port: int = Field(
        default=15002, ge=1024, le=65535, description="Port of the warm Connect server."
    )
    spark_executors: int = Field(default=2, ge=1, description="Executors on a cluster.")
    spark_executor_cores: int = Field(default=1, ge=1, description="Cores of each executor.")
    spark_executor_memory: str = Field(
        default="1g", pattern=r"^\d+[mg]$", description="Memory of each executor's JVM."
    )
    spark_python: str | None = Field(
        default=None,
        description="Path of Python on the executors; if unset, the path of this Python.",
    )
    spark_environment: Path | None = Field(
        default=None, description="Archive of a Python environment that executors unpack and use."
    )
    spark_driver_host: str | None = Field(
        default=None, description="Host name at which a cluster's executors reach the driver."
    )
    spark_yarn_jars: str | None = Field(
        default=None,
        description="Spark's jars on YARN (local:/.. or hdfs://..); if unset, they are uploaded.",
    )
    spark_shuffle_partitions: int = Field(default=4, ge=1, description="Shuffle partitions.")
    max_rows_per_run: int = Field(
        default=50_000_000, ge=1, description="Maximum number of transactions in one features run."
    )

    @field_validator("spark_url")
    @classmethod
    def _check_spark_url(cls, url: str) -> str:
        if not _SPARK_URL.fullmatch(url):
            raise ValueError("expected local[N], sc://host:port, spark://host:port or yarn")
        if "token=" in url:
            raise ValueError(
                "URLs are shown and logged, so a token must not be in one; put it into a file and "
                "name the file in FRAUD_SPARK_TOKEN_FILE"
            )
        return url

    @cached_property
    def spark(self) -> str:
        """URL of sessions: the warm server if `spark_server` is set, else `spark_url`."""
        return f"sc://localhost:{self.spark_server_port}" if self.spark_server else self.spark_url

    @cached_property
    def spark_token(self) -> Path | None:
        """File of the sessions' token; if unset, the file that the warm server creates."""
        created_by_server = self.home / "spark-server" / "token"
        return self.spark_token_file or (created_by_server if self.spark_server else None)

    @cached_property
    def jars(self) -> Path:
        """Folder of the jars of Delta, of Kafka and for S3."""
        return self.home / "jars"
