"""Fixtures that several tests of `fraud_platform.settings` use."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from fraud_platform.operations.choices import CHOICES
from fraud_platform.settings import Settings, load_settings


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Load settings from these variables and no others."""
    for name in list(os.environ):
        if name.startswith("FRAUD_"):
            monkeypatch.delenv(name)

    def load_with(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings(CHOICES)

    return load_with
