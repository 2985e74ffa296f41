"""`replay --model` compares both models on the same rows; waits say what they are."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from sklearn.metrics import average_precision_score

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.comparison.inputs import ScoredModel
from fraud_platform.comparison.paired import PairedAlerts, threshold_of
from fraud_platform.contracts.tables import DROP_LABELS, TableContract
from fraud_platform.operations.live.rescoring import comparison_words
from fraud_platform.reporting import waiting as module
from fraud_platform.reporting.waiting import waiting
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import RESCORED, SCORED, TOPIC_LABELS

World = tuple[Settings, Lake, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

ROWS = 600
START = datetime(2026, 8, 1, tzinfo=UTC)


_NUMBERS = {pa.int32(), pa.int64(), pa.float32(), pa.float64()}


def _write(lake: Lake, table: TableContract, rows: int, **columns: object) -> None:
    """Write rows of a table; what is not given is empty, 0 or the start."""
    arrays = []
    for field in table.arrow_schema:
        value = columns.get(field.name)
        if value is None and pa.types.is_timestamp(field.type):
            value = [START] * rows
        elif value is None and pa.types.is_boolean(field.type):
            value = [False] * rows
        elif value is None and field.type in _NUMBERS:
            value = np.zeros(rows, int)
        elif value is None:
            value = [None if field.nullable else ("x" if field.type == pa.string() else b"")] * rows
        arrays.append(pa.array(value).cast(field.type))
    lake.replace_arrow(table, pa.Table.from_arrays(arrays, schema=table.arrow_schema), None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Rows that version 1 decided and version 2 scored again, a third of them with labels."""
    random = np.random.default_rng(3)
    ids = np.arange(ROWS)
    fraud = random.random(ROWS) < 0.1
    decided = np.clip(fraud * 0.4 + random.random(ROWS) * 0.5, 0, 1)
    again = np.clip(fraud * 0.5 + random.random(ROWS) * 0.5, 0, 1)
    settings = Settings(home=tmp_path, bootstrap_resamples=200, min_defrauded_customers=2)
    lake = Lake(settings.lake)
    moments = [START + timedelta(hours=int(i) % 96) for i in ids]
    _write(lake, SCORED, ROWS, transaction_id=ids, tx_datetime=moments, customer_id=ids % 60,
           terminal_id=ids % 70, amount_cents=ids + 100, micro_batch=ids // 300 + 1)  # fmt: skip
    _write(lake, RESCORED, ROWS, transaction_id=ids, micro_batch=ids // 300 + 1,
           model_version=np.full(ROWS, 2), fraud_probability=again, is_alert=again >= 0.6,
           decided_by_version=np.full(ROWS, 1), decided_probability=decided,
           decided_alert=decided >= 0.5)  # fmt: skip
    return settings, lake, ids, fraud, decided, again


def _label(
    lake: Lake, table: TableContract, ids: np.ndarray, fraud: np.ndarray, hours: int = 0
) -> None:
    _write(lake, table, ids.size, transaction_id=ids, is_fraud=fraud,
           fraud_scenario=fraud.astype(int), version=np.ones(ids.size, int),
           known_at=[START + timedelta(days=8, hours=hours)] * ids.size)  # fmt: skip


def test_without_labels_the_alerts_of_both_are_counted(world: World) -> None:
    settings, _, _, _, decided, again = world
    alerts, labels = comparison_words(settings, 1, 2, 2)
    both = int(((again >= 0.6) & (decided >= 0.5)).sum())
    assert f"{ROWS} rows that version 1 decided, scored again with version 2" in alerts
    assert f"alerts of both: {both}" in alerts
    assert f"only of version 2: {int((again >= 0.6).sum()) - both};" in alerts
    assert f"only of version 1: {int((decided >= 0.5).sum()) - both}" in alerts
    assert "No label of these rows is known yet" in labels


def test_with_labels_the_paired_metrics_are_those_of_the_labelled_rows(world: World) -> None:
    settings, lake, ids, fraud, decided, again = world
    known = slice(0, 200)
    _label(lake, DROP_LABELS, ids[known], fraud[known])
    _, text = comparison_words(settings, 1, 2, 2)
    assert "On the 200 rows whose labels are known" in text
    for scores in (again, decided):
        assert f"{average_precision_score(fraud[known], scores[known]):.4f}" in text
    assert "Verdict" in text


def test_a_label_of_the_topic_that_was_known_later_counts(world: World) -> None:
    settings, lake, ids, fraud, decided, _ = world
    _label(lake, DROP_LABELS, ids[:200], np.zeros(200, bool))
    _, text = comparison_words(settings, 1, 2, 2)
    assert "no metric compares the two" in text
    _label(lake, TOPIC_LABELS, ids[:200], fraud[:200], hours=1)
    _, text = comparison_words(settings, 1, 2, 2)
    assert f"{average_precision_score(fraud[:200], decided[:200]):.4f}" in text


def test_only_the_range_that_was_asked_for_is_compared(world: World) -> None:
    settings = world[0]
    alerts, _ = comparison_words(settings, 2, 2, 2)
    assert "300 rows" in alerts


@pytest.mark.parametrize("level", [0.0, 0.5, 2.0])
def test_a_threshold_gives_exactly_the_alerts(level: float) -> None:
    scores = np.random.default_rng(1).random(200)
    is_alert = scores >= level
    assert ((scores >= threshold_of(scores, is_alert)) == is_alert).all()
    same = ScoredModel("fraud", "1", scores, threshold_of(scores, is_alert))
    assert PairedAlerts.of(same, same).only_new == 0


def test_a_wait_says_what_it_does_how_long_it_takes_and_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SAY_AGAIN_SECONDS", 0.01)
    output = io.StringIO()
    console = Console(file=output, width=40)
    with waiting("building a thing", "10 to 30 s", console):
        while "so far" not in output.getvalue():
            pass
    lines = output.getvalue().splitlines()
    assert lines[0] == "building a thing (usually 10 to 30 s) ..."
    assert lines[-1].startswith("building a thing: done in ")


def test_a_wait_that_fails_does_not_say_that_it_is_done() -> None:
    output = io.StringIO()

    def fail() -> None:
        with waiting("building a thing", "10 to 30 s", Console(file=output)):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert "done" not in output.getvalue()
