"""Everything an operator may set, as one typed tree read from `FRAUD_*` variables.

Here: names, types, defaults, and the rules between settings, checked together at start.
Not here: facts of the data contract (`fraud_platform.contracts`), which nobody may set.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fraud_platform.errors import SettingsError

PREFIX = "FRAUD_"
OTHER_VARIABLES = frozenset({"FRAUD_REAL_DROPS", "FRAUD_KILL_AT", "FRAUD_SERVICE_TOKEN"})
"""Variables of the platform that are no settings: tests and running services use them."""

_SPARK_URL = re.compile(r"local(\[(\d+|\*)\])?|(sc|spark|k8s)://.+|yarn")
_TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")


class Settings(BaseSettings):
    """The settings tree; every field is the variable `FRAUD_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".fraud_platform"),
        validate_default=True,
        description="Folder of all local state (ignored by git).",
    )
    landing_url: str | None = Field(default=None, description="Where drops arrive.")
    raw_url: str | None = Field(default=None, description="Where raw drops are kept as they came.")
    lake_url: str | None = Field(default=None, description="Where the Delta tables live.")
    mlflow_url: str | None = Field(default=None, description="MLflow tracking and registry URI.")

    spark_url: str = Field(
        default="local[2]", description="local[N], sc://host:port, spark://host:port or yarn."
    )
    spark_memory: str = Field(
        default="4g", pattern=r"^\d+[mg]$", description="Driver memory of an embedded Spark."
    )
    spark_shuffle_partitions: int = Field(default=4, ge=1, description="Shuffle partitions.")

    kafka_bootstrap: str | None = Field(
        default=None,
        pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$",
        description="host:port of a Kafka cluster, comma-separated; without it, the embedded one.",
    )
    kafka_partitions: int = Field(
        default=12, ge=1, description="Partitions of the topics that the platform creates."
    )
    transactions_topic: str = Field(
        default="transactions", pattern=_TOPIC, description="Topic of live transactions."
    )
    labels_topic: str = Field(
        default="labels", pattern=_TOPIC, description="Topic of labels, from investigations."
    )
    predictions_topic: str = Field(
        default="predictions", pattern=_TOPIC, description="Topic of published scores."
    )
    dead_letters_topic: str = Field(
        default="transactions.dlq", pattern=_TOPIC, description="Topic of unusable messages."
    )

    kafka_port: int = Field(
        default=9092, ge=1024, le=65535, description="Port of the embedded Kafka broker."
    )
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
    model_features: Literal["chosen", "all"] = Field(
        default="chosen", description="Which declared features a candidate takes, see docs."
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
        default=0.02, ge=0, description="Non-inferiority margin of card precision at 100."
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

    scoring_engine: Literal["spark", "inprocess"] = Field(
        default="spark", description="What the sensor's scoring runs score with."
    )
    max_plan_messages: int = Field(
        default=1_000_000, ge=1, description="Most messages that one scoring run is asked for."
    )
    max_batch_messages: int = Field(
        default=50_000, ge=1, description="Most messages of one micro-batch, which is one commit."
    )
    duplicate_horizon_days: int = Field(
        default=30, ge=1, description="Days of stream time in which an id is scored only once."
    )
    follow_interval_ms: int = Field(
        default=100, ge=10, le=5_000, description="Longest wait of `score --follow` for messages."
    )
    first_planning_day: str = Field(
        default="2026-01-01", description="First partition of the inference batches."
    )

    @field_validator("home")
    @classmethod
    def _fix_home(cls, home: Path) -> Path:
        # A process that changes its folder later keeps its state where it was.
        return home.absolute()

    @field_validator("spark_url")
    @classmethod
    def _check_spark_url(cls, url: str) -> str:
        if not _SPARK_URL.fullmatch(url):
            raise ValueError("expected local[N], sc://host:port, spark://host:port, k8s:// or yarn")
        return url

    @field_validator("first_day", "first_planning_day")
    @classmethod
    def _check_first_day(cls, day: str) -> str:
        if date.fromisoformat(day).isoformat() != day:
            raise ValueError("expected YYYY-MM-DD")
        return day

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        problems = _overlaps(
            {
                "FRAUD_LANDING_URL": self.landing,
                "FRAUD_RAW_URL": self.raw,
                "FRAUD_LAKE_URL": self.lake,
            }
        )
        problems += _repeated(
            {
                "FRAUD_DAGSTER_PORT": self.dagster_port,
                "FRAUD_MLFLOW_PORT": self.mlflow_port,
                "FRAUD_KAFKA_PORT": self.kafka_port,
            }
        )
        problems += _repeated(
            {
                "FRAUD_TRANSACTIONS_TOPIC": self.transactions_topic,
                "FRAUD_LABELS_TOPIC": self.labels_topic,
                "FRAUD_PREDICTIONS_TOPIC": self.predictions_topic,
                "FRAUD_DEAD_LETTERS_TOPIC": self.dead_letters_topic,
            }
        )
        if self.min_scenario_recall > 0 and self.max_alerts_per_day < 1:
            problems.append(
                "FRAUD_MIN_SCENARIO_RECALL needs FRAUD_MAX_ALERTS_PER_DAY of at least 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Give names and values for printing, passwords in URLs left out."""
        for name, value in super().__repr_args__():
            yield name, without_password(value) if isinstance(value, str) else value

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give another process, wherever it starts, the same settings."""
        chosen = {name: getattr(self, name) for name in {*self.model_fields_set, "home"}}
        for zone in ("landing", "raw", "lake"):
            if chosen.get(f"{zone}_url") is not None:
                chosen[f"{zone}_url"] = getattr(self, zone)
        return {
            f"{PREFIX}{name.upper()}": str(value)
            for name, value in sorted(chosen.items())
            if value is not None
        }

    @cached_property
    def landing(self) -> str:
        """URL of the landing zone."""
        return _location(self.landing_url or str(self.home / "landing"))

    @cached_property
    def raw(self) -> str:
        """URL of the raw zone."""
        return _location(self.raw_url or str(self.home / "raw"))

    @cached_property
    def lake(self) -> str:
        """URL of the lake."""
        return _location(self.lake_url or str(self.home / "lake"))

    @cached_property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        return self.mlflow_url or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def kafka(self) -> str:
        """Kafka's bootstrap servers: the cluster that is set, else the embedded broker."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"

    @cached_property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"

    @cached_property
    def jars(self) -> Path:
        """Folder of the jars that Spark needs for Delta; those of Kafka lie in it too."""
        return self.home / "jars"


def without_password(url: str) -> str:
    """Return a URL as it may be shown: `user:password@` becomes `user:***@`."""
    return _PASSWORD.sub(r"\1:***@", url)


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once from the environment.

    Raises:
        SettingsError: lists every problem found, each with its variable.
    """
    problems = _unknown_variables(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        problems += _problems(error)
    if problems:
        raise SettingsError(
            "The settings cannot work together:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nMend these variables and start again."
        )
    return settings


def _problems(error: ValidationError) -> list[str]:
    """Return every problem of the settings; those between settings too, where single ones fail."""
    wrong = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    found = [
        f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
        if e["loc"]
    ]
    if wrong:
        fields = Settings.model_fields
        try:
            Settings(**{name: fields[name].default for name in wrong})
            return found
        except ValidationError as together:
            error = together
    return found + [
        problem
        for e in error.errors()
        if not e["loc"]
        for problem in e["msg"].removeprefix("Value error, ").split("; ")
    ]


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Name every `FRAUD_*` variable that nothing reads, with the setting that it may have meant."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    problems = []
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | OTHER_VARIABLES:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"{name} is no setting{meant}")
    return problems


def _location(url: str) -> str:
    """Return a URL in one spelling: a local path is absolute, without `file://` or a last slash."""
    scheme, _, path = url.rpartition("://")
    if scheme in ("", "file"):
        return os.path.normpath(os.path.abspath(path))
    return url.rstrip("/")


def _repeated(chosen: Mapping[str, object]) -> list[str]:
    """Name every two settings that must differ and do not."""
    names = list(chosen)
    return [
        f"{one} and {other} are both {chosen[one]}"
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        if chosen[one] == chosen[other]
    ]


def _overlaps(zones: Mapping[str, str]) -> list[str]:
    """Name every two zones of which one lies in the other."""
    names = list(zones)
    return [
        f"{one} and {other} lie in one another "
        f"({without_password(zones[one])}, {without_password(zones[other])})"
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        if f"{zones[one]}/".startswith(f"{zones[other]}/")
        or f"{zones[other]}/".startswith(f"{zones[one]}/")
    ]
