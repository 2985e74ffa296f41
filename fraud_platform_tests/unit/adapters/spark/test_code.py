"""The archive for executors: they work on the data set of the process that sends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DECLARATION = """\
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    merchant = entity("shop")
    place = number("place", digits=2)
    fraud = fraud_label("is_fraud", delay="9d")

FEATURES = [feature("place", Payment.place)]
"""
PROGRAM = (
    "from fraud_platform.contracts.active import DATA_SET, LABEL_DELAY_DAYS\n"
    "from fraud_platform.contracts.tables import TRANSACTIONS\n"
    "print(DATA_SET.name, LABEL_DELAY_DAYS, 'fact_place' in TRANSACTIONS.column_names)\n"
)
MAKE = (
    "import sys\n"
    "from pathlib import Path\n"
    "from fraud_platform.adapters.spark.code import code_archive\n"
    "print(code_archive(Path(sys.argv[1])))\n"
)


def run(folder: Path, program: str, *arguments: str, **variables: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "FRAUD_DATA_SET"}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder, env={**kept, **variables},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.strip()  # fmt: skip


def test_an_executor_has_the_declaration_without_the_file_and_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "payments.py"
    file.write_text(DECLARATION)
    handbook = run(tmp_path, MAKE, str(tmp_path / "code"))
    own = run(tmp_path, MAKE, str(tmp_path / "code"), FRAUD_DATA_SET=str(file))
    assert own != handbook
    file.unlink()
    assert run(tmp_path, PROGRAM, PYTHONPATH=own) == "payments 9 True"
    assert run(tmp_path, PROGRAM, PYTHONPATH=handbook) == "handbook 7 False"


def test_a_relative_path_holds_for_child_processes_in_other_folders(tmp_path: Path) -> None:
    (tmp_path / "payments.py").write_text(DECLARATION)
    child = (
        "import os, subprocess, sys\n"
        "import fraud_platform.contracts.active\n"
        f"program = {PROGRAM!r}\n"
        "subprocess.run([sys.executable, '-c', program], cwd='/', check=True)\n"
    )
    assert run(tmp_path, child, FRAUD_DATA_SET="payments.py") == "payments 9 True"
