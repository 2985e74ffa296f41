"""Words of the report in a terminal."""

from __future__ import annotations

from fraud_platform.reporting.terminal import metric_words


def test_a_recall_is_named_by_the_declared_kind_of_fraud() -> None:
    kinds = ("takeover", "card testing")
    assert metric_words("recall_scenario_2", kinds) == "recall, card testing"
    assert metric_words("recall_scenario_3", kinds) == "recall scenario 3"
    assert metric_words("average_precision", kinds) == "average precision"
    assert metric_words("recall", kinds) == "recall"
