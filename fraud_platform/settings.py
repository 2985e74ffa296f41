"""Everything an operator may set, as one typed tree read from `FRAUD_*` variables.

Here: names, types, defaults, and the rules between settings, checked together at start.
Not here: facts of the data contract (`fraud_platform.contracts`), which nobody may set.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fraud_platform.errors import SettingsError


class Settings(BaseSettings):
    """The settings tree; every field is the variable `FRAUD_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FRAUD_", extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".fraud_platform"), description="Folder of all local state (ignored by git)."
    )
    landing_url: str | None = Field(default=None, description="Where drops arrive.")
    raw_url: str | None = Field(default=None, description="Where raw drops are kept as they came.")
    lake_url: str | None = Field(default=None, description="Where the Delta tables live.")
    mlflow_url: str | None = Field(default=None, description="MLflow tracking and registry URI.")

    spark_url: str = Field(
        default="local[2]", description="local[N], sc://host:port, spark://host:port or yarn."
    )
    spark_memory: str = Field(default="4g", description="Driver memory of an embedded Spark.")
    spark_shuffle_partitions: int = Field(default=4, ge=1, description="Shuffle partitions.")

    dagster_port: int = Field(default=3000, ge=1024, le=65535, description="Dagster UI port.")
    mlflow_port: int = Field(default=5000, ge=1024, le=65535, description="MLflow UI port.")

    first_day: str = Field(
        default="2018-04-01", description="First day of the daily and weekly partitions."
    )
    drop_settle_seconds: float = Field(
        default=10.0, ge=0, description="A drop whose size stood still this long is complete."
    )
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Quarantined share above which a drop is held."
    )

    max_rows_per_run: int = Field(
        default=50_000_000, ge=1, description="Most transactions that one features run covers."
    )
    catch_up_weeks: int = Field(
        default=4, ge=1, description="Most knowledge dates decided after a backlog, the latest."
    )

    vacuum_retention_hours: int = Field(
        default=168, ge=1, description="Age at which files of replaced table versions may go."
    )

    estimator: Literal["xgboost", "random_forest"] = Field(
        default="xgboost", description="The estimator that the weekly candidate uses."
    )
    training_days: int = Field(
        default=28, ge=7, description="Most days of history that a candidate is trained on."
    )
    max_training_rows: int = Field(
        default=3_000_000, ge=1_000, description="Above this, genuine rows are sampled by id."
    )
    seed: int = Field(default=20_180_401, description="Seed of every random choice.")
    max_alerts_per_day: float = Field(
        default=100.0, gt=0, description="Alerts a day that the fraud team can work through."
    )
    max_false_positive_rate: float = Field(
        default=0.01, gt=0, lt=1, description="Highest share of genuine rows that may alert."
    )
    review_cost: float = Field(
        default=5.0, ge=0, description="Cost of one alert's review, in currency units."
    )

    bootstrap_resamples: int = Field(
        default=2_000, ge=200, description="Resamples of the A/B test."
    )
    card_precision_margin: float = Field(
        default=0.01, ge=0, description="Non-inferiority margin of card precision at 100."
    )
    expected_loss_margin: float = Field(
        default=0.05, ge=0, description="Non-inferiority margin of expected loss, relative."
    )
    min_card_precision: float = Field(
        default=0.10, ge=0, le=1, description="Guardrail: lowest card precision of a champion."
    )
    min_scenario_recall: float = Field(
        default=0.0, ge=0, le=1, description="Guardrail: lowest recall of any fraud scenario."
    )
    promotion_mode: Literal["automatic", "approval"] = Field(
        default="automatic", description="Whether a verdict acts at once or after a person's word."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        problems = []
        zones = {
            "FRAUD_LANDING_URL": self.landing,
            "FRAUD_RAW_URL": self.raw,
            "FRAUD_LAKE_URL": self.lake,
        }
        names = list(zones)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                a, b = zones[one].rstrip("/") + "/", zones[other].rstrip("/") + "/"
                if a.startswith(b) or b.startswith(a):
                    problems.append(f"{one} and {other} lie in one another ({a}, {b})")
        if self.dagster_port == self.mlflow_port:
            problems.append(f"FRAUD_DAGSTER_PORT and FRAUD_MLFLOW_PORT are both {self.mlflow_port}")
        if self.min_scenario_recall > 0 and self.max_alerts_per_day < 1:
            problems.append(
                "FRAUD_MIN_SCENARIO_RECALL needs FRAUD_MAX_ALERTS_PER_DAY of at least 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def landing(self) -> str:
        """URL of the landing zone."""
        return self.landing_url or str(self.home.absolute() / "landing")

    @cached_property
    def raw(self) -> str:
        """URL of the raw zone."""
        return self.raw_url or str(self.home.absolute() / "raw")

    @cached_property
    def lake(self) -> str:
        """URL of the lake."""
        return self.lake_url or str(self.home.absolute() / "lake")

    @cached_property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        return self.mlflow_url or f"sqlite:///{self.home.absolute() / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home.absolute() / "dagster"

    @cached_property
    def jars(self) -> Path:
        """Folder of the jars that Spark needs for Delta."""
        return self.home.absolute() / "jars"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once from the environment.

    Raises:
        SettingsError: lists every problem found, each with its variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"  - FRAUD_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}"
            if e["loc"]
            else "\n".join(f"  - {p}" for p in e["msg"].removeprefix("Value error, ").split("; "))
            for e in error.errors()
        ]
        raise SettingsError(
            "The settings cannot work together:\n"
            + "\n".join(problems)
            + "\nMend these variables and start again."
        ) from None
