"""The platform's code with a new feature, made by doing what docs/new_feature.md says.

Here: a copy of the package with the page's own lines in it, and processes that run it.
Not here: what must hold then (`integration.live.test_new_feature`,
`integration.features.test_new_feature`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import fraud_platform
import fraud_platform_tests

ROOT = Path(fraud_platform.__file__).parents[1]
PAGE = Path(fraud_platform_tests.__file__).parents[1] / "docs" / "new_feature.md"
FEATURE, FLAG, READER = (
    f"{block.rstrip()},\n"
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
)
NEW_NAMES = re.findall(r'Feature\(\s*"(\w+)"', FEATURE + READER)
NEW_FLAG = re.findall(r'Flag\("(\w+)"', FLAG)[0]


def make_newer_code(folder: Path, *, with_flag: bool) -> Path:
    """Copy the package and add the page's feature, and its flag if asked to; return the root."""
    for package in ("fraud_platform", "fraud_platform_tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    (folder / "docs").symlink_to(ROOT / "docs")
    path = folder / "fraud_platform" / "datasets" / "handbook" / "features.py"
    text = path.read_text()
    features = FEATURE + (READER if with_flag else "")
    text = _at_the_end_of(text, "FEATURES: tuple[Feature, ...] = (", features)
    if with_flag:
        text = _at_the_end_of(text, "FLAGS: tuple[Flag, ...] = (", FLAG)
    path.write_text(text)
    return folder


def _at_the_end_of(text: str, begin: str, lines: str) -> str:
    """Insert lines before the parenthesis, on a line of its own, that closes a tuple."""
    assert begin in text
    end = text.index("\n)\n", text.index(begin))
    return f"{text[: end + 1]}{lines}{text[end + 1 :]}"


def environment_of(code: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that runs a root's code."""
    return {**os.environ, **settings, "PYTHONPATH": str(code)}


def run(code: Path, program: str, *arguments: str) -> str:
    """Run a program with a root's code and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        env=environment_of(code, {}),
        cwd=code,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
