"""A wrong command line or a missing state is said in words with a remedy, never as a traceback."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from fraud_platform.cli import commands as cli

STARTS_SOMETHING = {"up", "dev", "demo", "score", "fetch-jars", "doctor"}
"""Commands that with right arguments start services, download, or wait for Kafka."""

_LINES = """
load
load --distcp
load --yarn
load --workers 0
demo --drops {0}/missing
demo --drops {0}/file
demo --drops {0}/folder-like-a-drop
demo --drops {0}/broken-link
demo --drops {0}/empty
demo --drops {0}/two-of-one
simulate --to {0}/file
simulate --to {0}/folder-like-a-drop
simulate --to /proc/none
simulate --to {0}/s --first-day 2099-12-30
simulate --to {0}/s --seed -1
simulate --to {0}/s --dirt 1e9
simulate --to {0}/s --truth {0}/s/truth
serve nothing
serve mlflow
accept 2018-04-01 --why x
accept nonsense --why x
accept 2018-04-01
approve 2018-07-10 --why x
approve 2018-13-09 --why x
decline 2018-07-09 --why x
rollback --why x
reproduce 1
reproduce x
bench quality
bench quality --drops {0}/missing
bench quality --drops {0}/empty
bench quality --drops {0}/file
bench quality --drops {0}/broken-link
produce --drop 2018-04-01
produce --drop latest
produce --drop {0}
produce --drop {0}/missing.txt
produce --drop {0}/empty.txt
produce --drop {0}/no-header.txt
produce --drop {0}/damaged.txt.gz
produce --drop 2018-04-01 --rate abc
produce --drop 2018-04-01 --rate nan
produce --drop 2018-04-01 --rate -1
produce --drop 2018-04-01 --speedup nan
produce --drop 2018-04-01 --speedup inf
produce --drop 2018-04-01 --limit 0
produce --drop 2018-04-01 --dirty 2
score
replay
replay --range 1-2
replay --range x --model 1
replay --range 1-2-3 --model 1
replay --range 2-1 --model 1
replay --range 1-2 --model 1
no-such-command
"""
WRONG = [line for line in _LINES.splitlines() if line]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with the wrong inputs that the command lines name."""
    folder = tmp_path / "in puts"
    for name in ("empty", "folder-like-a-drop/2018-04-01.txt", "broken-link", "two-of-one"):
        (folder / name).mkdir(parents=True)
    (folder / "broken-link" / "2018-04-01.txt").symlink_to("/nowhere/drop.txt")
    (folder / "two-of-one" / "2018-04-01.txt").touch()
    (folder / "two-of-one" / "2018-04-01.txt.gz").write_bytes(gzip.compress(b""))
    (folder / "file").write_text("x")
    (folder / "empty.txt").touch()
    (folder / "no-header.txt").write_text("no header\n1,2,3\n")
    (folder / "damaged.txt.gz").write_bytes(b"not gzip")
    return folder


def _run(
    words: list[str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """Run a command line as the program does; return its exit code and all that it printed."""
    monkeypatch.setattr(sys, "argv", ["fraud-platform", *words])
    monkeypatch.setenv("FRAUD_HOME", str(home))
    # commands that take a declaration set it for their process, which is this one
    monkeypatch.setenv("FRAUD_DATA_SET", "handbook")
    code = cli._run()
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_said_without_a_traceback(
    line: str, inputs: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = [word.format(inputs) for word in line.split(" ")]
    code, output = _run(words, tmp_path / "home", monkeypatch, capsys)
    assert code in (1, 2), output
    assert "Traceback" not in output
    assert "fault of the platform" not in output
    assert len(output.strip()) > 30


@pytest.mark.parametrize("arguments", ["", "a"])
def test_no_command_prints_a_traceback_if_its_home_is_a_file(
    arguments: str, inputs: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    program = get_command(cli.app)
    for name in program.commands:  # type: ignore[attr-defined]
        if name in STARTS_SOMETHING:
            continue
        code, output = _run([name, *arguments], inputs / "file", monkeypatch, capsys)
        assert "Traceback" not in output, name
        assert code in (0, 1, 2), name


def test_an_error_that_was_not_foreseen_keeps_its_traceback_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(cli, "app", lambda **_: fail())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, output = _run(["status"], tmp_path, monkeypatch, capsys)
    assert code == 1
    assert "RuntimeError: a fault" in output
    assert "Traceback" not in output
    (kept,) = tmp_path.glob("fraud-platform-*.log")
    assert str(kept) in output
    assert "Traceback" in kept.read_text()
