"""The champion's watch: it continues through every fault of the registry, and reports it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.errors import Outage
from fraud_platform.operations.live import follow
from fraud_platform_tests.testing.worlds.live import until


class _Broken:
    """A registry whose artifacts cannot be read for a while."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors

    def alias(self, name: str) -> int:
        return 2


def test_it_outlives_any_error_and_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = _Broken([Outage("MLflow is away"), OSError("no room for the model")])
    messages: set[str] = set()

    def load(registry: _Broken, version: int) -> SimpleNamespace:
        messages.add(watch.problem)
        if registry.errors:
            raise registry.errors.pop(0)
        return SimpleNamespace(version=version)

    monkeypatch.setattr(follow, "load_model", load)
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.02)
    with follow._Watch(registry, SimpleNamespace(version=1)) as watch:  # type: ignore[arg-type]
        until(lambda: watch.model.version == 2)
        until(lambda: watch.problem == "")
    assert messages == {
        "",
        "the champion's watch: Outage: MLflow is away",
        "the champion's watch: OSError: no room for the model",
    }


def test_artifacts_that_a_storage_refuses_are_an_outage(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))
    with pytest.raises(Outage, match="connection reset"), registry._client():
        raise ConnectionResetError("connection reset")
    with pytest.raises(FileNotFoundError), registry._client():
        raise FileNotFoundError("a candidate's file")
