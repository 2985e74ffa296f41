"""What CI promises: a skip counts as a failure, and the real systems are run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fraud_platform

ROOT = Path(fraud_platform.__file__).parent.parent

SKIPPING = """
import pytest
def test_passes(): pass
@pytest.mark.skip(reason="no such server")
def test_marked(): pass
def test_skips_itself(): pytest.skip("not installed")
@pytest.fixture
def absent(): pytest.skip("nothing there")
def test_by_fixture(absent): pass
@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""
MISSING = "import pytest\npytest.importorskip('no_such_module')\ndef test_never(): pass\n"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-ra")
    plugin = ("-p", "fraud_platform_tests.conftest", "-c", "/dev/null", "--rootdir", str(folder))
    return subprocess.run(
        [*command, *plugin, *options, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.fixture
def skipping(tmp_path: Path) -> Path:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_missing.py").write_text(MISSING)
    return tmp_path


def test_a_skip_is_a_skip_unless_it_is_forbidden(skipping: Path) -> None:
    done = run(skipping)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 4 skipped, 1 xfailed" in done.stdout


def test_every_kind_of_skip_fails_where_it_is_forbidden(skipping: Path) -> None:
    done = run(skipping, "--no-skips", "--continue-on-collection-errors")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 1 xfailed, 3 errors" in done.stdout
    for reason in ("no such server", "not installed", "nothing there", "no_such_module"):
        assert reason in done.stdout


def test_ci_forbids_skips_and_runs_lint_docs_tests_and_systems() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    steps = [line for line in lines if "make " in line and line.startswith("timeout")]
    assert [step.split("make ")[1].split()[0] for step in steps] == [
        "lint",
        "docs",
        "test",
        "systems",
    ]
    assert all("--no-skips" in step for step in steps[2:])
    assert lines[-1] == steps[-1]
