"""Ephemeral clusters, which are created for a run and deleted after it.

Here: their provider, time limits and price, and the settings of YARN and EMR.
Not here: their size (`settings.spark`: one worker for each executor), creating them
(`fraud_platform.adapters.spark.clusters`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fraud_platform.settings.base import HomeSettings


class ClusterSettings(HomeSettings):
    """Ephemeral clusters."""

    cluster_provider: Literal["none", "standalone", "yarn", "emr"] = Field(
        default="none", description="Creates an ephemeral cluster for each scheduled run."
    )
    cluster_ready_seconds: float = Field(
        default=300, gt=0, description="A cluster that is not ready in this time is deleted."
    )
    cluster_limit_minutes: float = Field(
        default=240,
        gt=0,
        description="A cluster older than this is deleted, even if its run has not ended.",
    )
    cluster_core_hour_price: float = Field(
        default=0.05, ge=0, description="Price of one core-hour, in your currency."
    )
    yarn_url: str | None = Field(
        default=None, description="URL of YARN's resource manager, http://host:8088."
    )
    emr_region: str = Field(default="us-east-1", description="AWS region of EMR clusters.")
    emr_release: str = Field(
        default="emr-spark-8.0.0", description="EMR release; it must contain Spark 4."
    )
    emr_instance_type: str = Field(
        default="m6g.xlarge", description="EC2 instance type of every node."
    )
    emr_subnet: str | None = Field(default=None, description="EC2 subnet of EMR clusters.")
    emr_log_url: str | None = Field(default=None, description="s3:// folder for EMR's logs.")
    emr_service_role: str = Field(
        default="EMR_DefaultRole", description="IAM role of the EMR service."
    )
    emr_instance_profile: str = Field(
        default="EMR_EC2_DefaultRole", description="IAM instance profile of the EC2 instances."
    )
