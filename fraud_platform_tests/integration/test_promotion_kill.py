"""A promotion that is killed between history and alias is finished by running it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.operations.models.decisions import read_history

PROGRAM = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.comparison.gate import Verdict
from fraud_platform.operations.models.decisions import carry_out, read_history
from fraud_platform.promotion.decision import decide
from fraud_platform.promotion.evidence import Evidence
from fraud_platform_tests.testing.defaults import guardrails

home = Path(sys.argv[1])
lake = Lake(str(home / "lake"))
registry = ModelRegistry(f"sqlite:///{home}/m.db", str(home / "art"))
evidence = Evidence(
    knowledge_date=date(2018, 7, 9), report_id="r", verdict=Verdict.PROMOTE, reason="better",
    model_name="fraud", candidate_version="1", champion_version=None, card_precision=0.3,
    scenario_recall={}, candidate_training_end=date(2018, 6, 18), champion_training_end=None,
)
decision = decide(
    read_history(lake),
    evidence,
    guardrails(min_card_precision=0.1),
    "automatic",
    "test",
    datetime.now(UTC),
)
carry_out(lake, registry, decision)
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one version in it."""
    home = tmp_path_factory.mktemp("promotion")
    candidate = home / "candidate"
    candidate.mkdir()
    (candidate / "candidate.json").write_text("{}")
    registry = ModelRegistry(f"sqlite:///{home}/m.db", str(home / "art"))
    model = registry.register("2018-07-09", candidate, ("amount",), {}, {}, {}, {})
    again = registry.register("2018-07-09", candidate, ("amount",), {}, {}, {}, {})
    assert (model.version, again.version) == (1, 1)
    return home


def decide(home: Path, kill_at: str | None) -> int:
    environment = dict(os.environ)
    if kill_at:
        environment["FRAUD_KILL_AT"] = kill_at
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(home)]
    return subprocess.run(command, env=environment, check=False, timeout=120).returncode


@pytest.mark.parametrize(
    "point",
    [pytest.param("promotion.before_history", marks=pytest.mark.slow), "promotion.after_history"],
)
def test_a_killed_promotion_is_finished_by_the_next_run(registered: Path, point: str) -> None:
    import shutil

    lake = Lake(str(registered / "lake"))
    registry = ModelRegistry(f"sqlite:///{registered}/m.db", str(registered / "art"))
    shutil.rmtree(registered / "lake", ignore_errors=True)
    registry.set_alias(CHAMPION, None)

    assert decide(registered, point) == -signal.SIGKILL
    assert registry.alias(CHAMPION) is None
    assert decide(registered, None) == 0
    assert [row.champion_after for row in read_history(lake)] == ["1"]
    assert registry.alias(CHAMPION) == 1
    assert decide(registered, None) == 0
    assert len(read_history(lake)) == 1
