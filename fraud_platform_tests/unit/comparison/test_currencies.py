"""Losses and amounts of currencies without decimals, or with three, and of data with refunds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fraud_platform.comparison.inputs import ComparisonRows, Role, baseline_models

DECLARATION = """
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("{day}.csv")
    messages = json()
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="CURRENCY", digits=DIGITS, refunds=True)
    card = entity("card", partitions_topic=True)
    shop = entity("shop")
    fraud = fraud_label("fraud")

FEATURES = [feature("amount", Payment.amount)]
"""
PROGRAM = """
import json, numpy as np
from fraud_platform.comparison import plain_metrics
from fraud_platform.comparison.inputs import ComparisonRows, Role, baseline_models
from fraud_platform.training.thresholds import Constraints, choose_threshold

amounts = np.array([12_000, 7_000, 300, -40_000])
fraud = np.array([True, True, False, False])
scores = np.array([0.9, 0.1, 0.2, 0.3])
loss = plain_metrics.expected_loss(np.zeros(4), amounts, fraud, scores, 0.5, 5.0)
nothing = Constraints(0.0, 0.0, 5.0)
chosen = choose_threshold(scores, fraud, amounts, np.ones(4), 1, nothing)
n = np.arange(4)
rows = ComparisonRows(np.zeros(4, int), n, n, n, amounts, fraud, fraud * 1)
name = baseline_models(rows, 12_000)[Role.AMOUNT_ABOVE].name
print(json.dumps([loss, chosen.expected_loss_per_day, name]))
"""


@pytest.mark.parametrize(
    ("currency", "digits", "loss", "missed", "name"),
    [
        ("JPY", 0, 7_000 + 5.0, 19_000.0, "amount above 12,000"),
        ("EUR", 2, 70 + 5.0, 190.0, "amount above 120.00"),
        ("KWD", 3, 7 + 5.0, 19.0, "amount above 12.000"),
    ],
)
def test_a_loss_is_in_units_of_the_declared_currency(
    tmp_path: Path, currency: str, digits: int, loss: float, missed: float, name: str
) -> None:
    file = tmp_path / "payments.py"
    file.write_text(DECLARATION.replace("CURRENCY", currency).replace("DIGITS", str(digits)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "FRAUD_DATA_SET": str(file)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found[:2] == pytest.approx([loss, missed])
    assert found[2] == name


def test_a_large_refund_does_not_alert_the_amount_baseline() -> None:
    amounts = np.array([-10_000_000, -5_001, -5_000, 0, 4_999, 5_000, 5_001, 10_000_000])
    n = np.arange(amounts.size)
    rows = ComparisonRows(n * 0, n, n, n, amounts, n == 7, (n == 7) * 1)
    model = baseline_models(rows, 5_000)[Role.AMOUNT_ABOVE]
    assert model.is_alert.tolist() == (amounts > 5_000).tolist()
    assert ((model.probability >= 0) & (model.probability < 1)).all()
    assert (np.diff(model.probability) >= 0).all()
