"""The one tree of all settings, and the rules between its groups.

Here: `Settings`, printed without secrets, handed on to other processes, checked as a whole.
Not here: single settings (the groups beside this module), reading them (`loading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, SecretStr, model_validator

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
    SparkSettings,
    StorageSettings,
):
    """The settings tree; every field is the variable `FRAUD_<NAME>`."""

    _secret_files: dict[str, Path] = PrivateAttr(default_factory=dict)
    """Where secrets came from that came from files."""

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        problems = passwords_in_urls({name: getattr(self, name) for name in self.model_fields_set})
        problems += _overlaps(
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
                "FRAUD_CODE_SERVER_PORT": self.code_server_port,
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
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Give names and values for printing, passwords in URLs left out."""
        for name, value in super().__repr_args__():
            yield name, without_password(value) if isinstance(value, str) else value

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give another process, wherever it starts, the same settings.

        A secret is among them, as its file where it came from one: never log this.
        """
        chosen = {name: getattr(self, name) for name in {*self.model_fields_set, "home"}}
        for zone in ("landing", "raw", "lake"):
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
        """Note which secrets came from which files, so that other processes read them too."""
        self._secret_files = {name: path.absolute() for name, path in files.items()}
        return self


def _without_access(kafka: KafkaSettings) -> list[str]:
    """Name what a secured cluster of somebody else's needs and does not have."""
    given = {"FRAUD_KAFKA_USER": kafka.kafka_user, "FRAUD_KAFKA_PASSWORD": kafka.kafka_password}
    if kafka.kafka_security == "sasl_ssl" and kafka.kafka_bootstrap is not None:
        return [f"FRAUD_KAFKA_SECURITY=sasl_ssl needs {name}" for name, v in given.items() if not v]
    if kafka.kafka_bootstrap is not None and any(given.values()):
        # they would be ignored, and everything sent in the clear
        return ["FRAUD_KAFKA_USER or FRAUD_KAFKA_PASSWORD needs FRAUD_KAFKA_SECURITY=sasl_ssl"]
    return []


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
