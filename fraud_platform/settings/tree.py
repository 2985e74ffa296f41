"""The tree of all settings, and the rules between its groups.

Here: `Settings`: validating the combination, printing without secrets, passing to other processes.
Not here: single settings (the groups), reading them (`loading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, SecretStr, model_validator

from fraud_platform.settings.clusters import ClusterSettings
from fraud_platform.settings.decisions import DecisionSettings
from fraud_platform.settings.kafka import KafkaSettings
from fraud_platform.settings.scoring import ScoringSettings
from fraud_platform.settings.secrets import (
    FILE_SUFFIX,
    passwords_in_urls,
    variable,
    without_password,
)
from fraud_platform.settings.services import ServiceSettings
from fraud_platform.settings.spark import SparkSettings
from fraud_platform.settings.storage import StorageSettings


class Settings(
    ScoringSettings,
    DecisionSettings,
    ServiceSettings,
    KafkaSettings,
    ClusterSettings,
    SparkSettings,
    StorageSettings,
):
    """All settings; every field is read from `FRAUD_<NAME>`."""

    _secret_files: dict[str, Path] = PrivateAttr(default_factory=dict)
    """Setting to file, for the secrets that were read from files."""

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        problems = passwords_in_urls({name: getattr(self, name) for name in self.model_fields_set})
        problems += _overlaps(
            {
                "FRAUD_LANDING_URL": self.landing,
                "FRAUD_RAW_URL": self.raw,
                "FRAUD_LAKE_URL": self.lake,
                "FRAUD_ARTIFACTS_URL": self.artifacts,
            }
        )
        problems += _repeated(
            {
                "FRAUD_DAGSTER_PORT": self.dagster_port,
                "FRAUD_MLFLOW_PORT": self.mlflow_port,
                "FRAUD_KAFKA_PORT": self.kafka_port,
                "FRAUD_CODE_SERVER_PORT": self.code_server_port,
                "FRAUD_SPARK_SERVER_PORT": self.spark_server_port,
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
        problems += _without_access(self)
        if self.spark_server and not self.spark_url.startswith("local"):
            problems.append(
                "FRAUD_SPARK_SERVER needs a FRAUD_SPARK_URL of local[N], the master of the server"
            )
        if self.cluster_provider == "yarn" and self.yarn_url is None:
            problems.append("FRAUD_CLUSTER_PROVIDER=yarn needs FRAUD_YARN_URL (http://host:8088)")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def is_spark_here(self) -> bool:
        """Whether every executor of a run can access this machine's folders."""
        is_here = self.spark.startswith("local") or self.spark_server
        return is_here and self.cluster_provider in ("none", "standalone")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield names and values for printing, without the passwords in URLs."""
        for name, value in super().__repr_args__():
            yield name, without_password(value) if isinstance(value, str) else value

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give another process the same settings, in any working directory.

        They contain secrets, or their files for secrets read from files: never log them.
        """
        chosen = {name: getattr(self, name) for name in {*self.model_fields_set, "home"}}
        for zone in ("landing", "raw", "lake", "artifacts"):
            if chosen.get(f"{zone}_url") is not None:
                chosen[f"{zone}_url"] = getattr(self, zone)
        given = {
            variable(name): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in sorted(chosen.items())
            if value is not None and name not in self._secret_files
        }
        files = {variable(name) + FILE_SUFFIX: str(p) for name, p in self._secret_files.items()}
        return given | files

    def with_secret_files(self, files: Mapping[str, Path]) -> Settings:
        """Record the files of secrets, so that other processes read the same files; return self."""
        self._secret_files = {name: path.absolute() for name, path in files.items()}
        return self


def _without_access(kafka: KafkaSettings) -> list[str]:
    """Return the problems of the credentials for an external Kafka cluster."""
    given = {"FRAUD_KAFKA_USER": kafka.kafka_user, "FRAUD_KAFKA_PASSWORD": kafka.kafka_password}
    if kafka.kafka_security == "sasl_ssl" and kafka.kafka_bootstrap is not None:
        return [f"FRAUD_KAFKA_SECURITY=sasl_ssl needs {name}" for name, v in given.items() if not v]
    if kafka.kafka_bootstrap is not None and any(given.values()):
        # Otherwise they would be ignored and all data sent unencrypted.
        return ["FRAUD_KAFKA_USER or FRAUD_KAFKA_PASSWORD needs FRAUD_KAFKA_SECURITY=sasl_ssl"]
    return []


def _repeated(chosen: Mapping[str, object]) -> list[str]:
    """Return a problem for each pair of settings with the same value."""
    names = list(chosen)
    return [
        f"{one} and {other} are both {chosen[one]}"
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        if chosen[one] == chosen[other]
    ]


def _overlaps(zones: Mapping[str, str]) -> list[str]:
    """Return a problem for each pair of zones of which one is inside the other."""
    names = list(zones)
    return [
        f"{one} and {other} overlap "
        f"({without_password(zones[one])}, {without_password(zones[other])})"
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        if f"{zones[one]}/".startswith(f"{zones[other]}/")
        or f"{zones[other]}/".startswith(f"{zones[one]}/")
    ]
