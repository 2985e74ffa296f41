"""Fixtures that several tests of `fraud_platform.ingest` use."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.adapters.storage import local_zone
from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform_tests.testing.worlds.copying import (
    CHUNK,
    CONTENT,
    DROP,
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_zone, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def landing(tmp_path: Path) -> LocalZone:
    zone = LocalZone(tmp_path / "landing", create=True)
    (zone.folder / DROP).write_bytes(CONTENT)
    return zone


@pytest.fixture
def raw(tmp_path: Path) -> LocalZone:
    return LocalZone(tmp_path / "raw", create=True)
