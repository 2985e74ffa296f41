"""A declared data set on disk, and processes that take its drops from landing to the tables.

Here: `Declared`.
Not here: the process (`testing.programs.declared_drops`), the declarations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deltalake import DeltaTable


class Declared:
    """A data set on disk, and processes that work on it."""

    def __init__(self, folder: Path, declaration: str) -> None:
        self.folder = folder
        self.landing = folder / "landing"
        self.landing.mkdir()
        self.file = folder / "payments.py"
        self.file.write_text(declaration)

    def publish(self, range_bytes: int = 4 << 20) -> list[dict[str, Any]]:
        """Take what is in landing to the tables; return what the program printed."""
        program = "fraud_platform_tests.testing.programs.declared_drops"
        folders = [str(self.folder / name) for name in ("landing", "raw", "lake")]
        environment = os.environ | {
            "FRAUD_DATA_SET": str(self.file),
            "FRAUD_SPARK_URL": "local[2]",
            "FRAUD_HOME": str(self.folder / "home"),
        }
        done = subprocess.run(
            [sys.executable, "-m", program, *folders, str(range_bytes)],
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            DeltaTable(str(self.folder / "lake" / table)).to_pyarrow_table().to_pylist()
        )
        return found
