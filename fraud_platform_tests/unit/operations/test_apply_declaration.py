"""A changed declaration beside the one in use: new, kept, gone and refused features."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIRST = """\
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    merchant = entity("shop")
    fraud = fraud_label("is_fraud")

P = Payment
FEATURES = [
    feature("amount", P.amount),
    feature("n_1d", count(by=P.card, last=1)),
]
"""
SECOND = FIRST.replace(
    '    feature("n_1d", count(by=P.card, last=1)),\n',
    '    feature("n_7d", count(by=P.card, last=7)),\n',
)
CLI = "import sys; from fraud_platform.cli.commands import main; main()"
MAKE_TABLE = """
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cli.entry import enter
from fraud_platform.tables.features import TRANSACTION_FEATURES
Lake(enter().lake).ensure(TRANSACTION_FEATURES)
"""
NAMES = """
from fraud_platform.cli.entry import enter
from fraud_platform.contracts.active import DATA_SET
enter()
print(*DATA_SET.declaration.names, "|", *DATA_SET.chosen)
"""


class Home:
    """A home, and programs on it with a declaration."""

    def __init__(self, folder: Path) -> None:
        self.file, self.home = folder / "payments.py", folder / "home"
        self.home.mkdir()

    def run(self, text: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.file.write_text(text)
        variables = {"FRAUD_HOME": str(self.home), "FRAUD_DATA_SET": str(self.file)}
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, **variables}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    def apply(self, text: str) -> str:
        found = self.run(text, CLI, "apply", str(self.file))
        assert found.returncode == 0, found.stderr
        return found.stdout

    def refusal(self, text: str, program: str = CLI, *arguments: str) -> str:
        found = self.run(text, program, *arguments)
        assert found.returncode != 0
        return found.stderr


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_feature_that_tables_need_stays_computed_and_no_model_takes_it(home: Home) -> None:
    assert "payments is applied: 2 features" in home.apply(FIRST)
    assert home.run(FIRST, MAKE_TABLE).returncode == 0
    output = home.apply(SECOND)
    assert "1 features are new: n_7d" in output
    assert "still computed, because tables or the champion need them: n_1d" in output
    for _ in range(2):  # the second time, what is kept was declared by an older text
        assert home.run(SECOND, NAMES).stdout.strip() == "amount n_7d n_1d | amount n_7d"
        home.apply(SECOND)
    assert "n_1d" in home.apply(FIRST.replace("n_1d", "n_1d_again").replace("last=1", "last=2"))


def test_a_feature_that_nothing_needs_goes(home: Home) -> None:
    home.apply(FIRST)
    assert "gone: n_1d" in home.apply(SECOND)
    assert home.run(SECOND, NAMES).stdout.strip() == "amount n_7d | amount n_7d"


def test_a_name_never_changes_its_meaning(home: Home) -> None:
    home.apply(FIRST)
    changed = FIRST.replace("last=1", "last=2")
    message = home.refusal(changed, CLI, "apply", str(home.file))
    assert "found another meaning of n_1d" in message
    assert "give what changed another name" in message
    assert home.run(FIRST, NAMES).stdout.strip() == "amount n_1d | amount n_1d"


def test_a_changed_file_is_not_used_before_it_is_applied(home: Home) -> None:
    assert home.run(FIRST, NAMES).returncode == 0
    message = home.refusal(SECOND, NAMES)
    assert "expected the declaration that was applied last" in message
    assert "fraud-platform apply" in message
    home.apply(SECOND)
    assert home.run(SECOND, NAMES).returncode == 0


def test_a_file_that_is_edited_later_does_not_reach_child_processes(home: Home) -> None:
    program = """
import os, subprocess, sys
from pathlib import Path
from fraud_platform.cli.entry import enter
enter()
Path(sys.argv[1]).write_text("nonsense")
child = "from fraud_platform.contracts.active import DATA_SET as d; print(d.name, *d.chosen)"
subprocess.run([sys.executable, "-c", child], check=True)
"""
    found = home.run(FIRST, program, str(home.file))
    assert (found.returncode, found.stdout.strip()) == (0, "payments amount n_1d"), found.stderr


def test_rows_of_another_meaning_are_refused(home: Home) -> None:
    home.apply(FIRST)
    other = FIRST.replace('currency="EUR"', 'currency="USD"')
    assert "differs in amount" in home.refusal(other, CLI, "apply", str(home.file))
