from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from fraud_platform.errors import NotEnoughDataError, SettingsError
from fraud_platform.training.boosted_trees import EXACT_MAX_ROWS, split_search
from fraud_platform.training.candidate import Candidate, TrainingOptions, train_candidate
from fraud_platform.training.plots import (
    calibration_plot,
    feature_importance_plot,
    pr_curve_plot,
)
from fraud_platform.training.thresholds import Constraints
from fraud_platform_tests.testing.worlds.training_rows import NAMES, labelled_rows

OPTIONS = TrainingOptions(
    "xgboost", seed=7, constraints=Constraints(100.0, 0.05, 5.0), chooses=False
)
ROWS = labelled_rows()


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return train_candidate(ROWS, NAMES, OPTIONS)


def saved_bytes(candidate: Candidate, folder: Path) -> dict[str, bytes]:
    candidate.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def features_of(part: str) -> np.ndarray:
    return ROWS.loc[ROWS["part"] == part, list(NAMES)].to_numpy(np.float32)


def test_the_same_rows_in_another_order_give_the_same_bytes(
    candidate: Candidate, tmp_path: Path
) -> None:
    shuffled = ROWS.sample(frac=1, random_state=3)
    again = train_candidate(pa.Table.from_pandas(shuffled), NAMES, OPTIONS)
    assert saved_bytes(again, tmp_path / "a") == saved_bytes(candidate, tmp_path / "b")


def test_one_changed_label_gives_another_model(candidate: Candidate, tmp_path: Path) -> None:
    changed = ROWS.copy()
    changed.loc[changed["part"] == "fit", "is_fraud"] ^= (
        changed["transaction_id"] == changed.loc[changed["part"] == "fit", "transaction_id"].min()
    )
    other = train_candidate(changed, NAMES, OPTIONS)
    assert saved_bytes(other, tmp_path / "a") != saved_bytes(candidate, tmp_path / "b")


def test_a_loaded_candidate_predicts_like_the_saved_one(
    candidate: Candidate, tmp_path: Path
) -> None:
    before = saved_bytes(candidate, tmp_path / "a")
    loaded = Candidate.load(tmp_path / "a")
    features = features_of("threshold")
    assert (loaded.predict_probability(features) == candidate.predict_probability(features)).all()
    assert loaded.threshold == candidate.threshold
    assert saved_bytes(loaded, tmp_path / "b") == before


def test_a_row_has_the_same_score_alone_and_in_a_batch(candidate: Candidate) -> None:
    features = features_of("threshold")
    together = candidate.predict_probability(features)
    assert [candidate.predict_probability(features[i : i + 1])[0] for i in range(50)] == list(
        together[:50]
    )


def test_metrics_are_computed_on_days_unseen_by_model_and_calibration(candidate: Candidate) -> None:
    held_out = ROWS[ROWS["part"] == "threshold"]
    probability = candidate.predict_probability(features_of("threshold"))
    labels = held_out["is_fraud"]
    assert candidate.metrics["average_precision"] == pytest.approx(
        average_precision_score(labels, probability)
    )
    assert candidate.metrics["auc_roc"] == pytest.approx(roc_auc_score(labels, probability))
    assert candidate.metrics["brier"] == pytest.approx(brier_score_loss(labels, probability))
    assert (probability >= candidate.threshold.value).sum() == candidate.threshold.alerts_per_day


def test_labels_of_the_threshold_days_do_not_change_probabilities(candidate: Candidate) -> None:
    changed = ROWS.copy()
    late = changed["part"] == "threshold"
    changed.loc[late, "is_fraud"] = np.roll(changed.loc[late, "is_fraud"], 1)
    other = train_candidate(changed, NAMES, OPTIONS)
    features = features_of("threshold")
    assert (other.predict_probability(features) == candidate.predict_probability(features)).all()


@pytest.mark.parametrize("imbalance", ["none", "balanced"])
def test_probabilities_are_calibrated_with_and_without_class_weights(
    imbalance: Literal["none", "balanced"],
) -> None:
    rows = labelled_rows(rows_a_day=6_000, seed=5)
    trained = train_candidate(rows, NAMES, replace(OPTIONS, imbalance=imbalance))
    held_out = rows[rows["part"] == "threshold"]
    probability = trained.predict_probability(held_out[list(NAMES)].to_numpy(np.float32))
    frauds = held_out["is_fraud"].sum()
    assert probability.sum() == pytest.approx(frauds, abs=4 * np.sqrt(frauds))
    top = probability > 0.3
    assert held_out["is_fraud"][top].mean() == pytest.approx(probability[top].mean(), abs=0.1)


def test_importance_sums_to_1_and_ranks_features_by_their_effect(candidate: Candidate) -> None:
    assert list(candidate.importance) == list(NAMES)
    assert sum(candidate.importance.values()) == pytest.approx(1.0)
    ranked = sorted(candidate.importance, key=candidate.importance.__getitem__, reverse=True)
    assert ranked == ["signal", "other", "noise"]


def test_sampled_genuine_rows_count_with_their_weights() -> None:
    thinned = ROWS[(ROWS["is_fraud"]) | (ROWS["transaction_id"] % 4 == 0)].copy()
    thinned.loc[~thinned["is_fraud"], "sample_weight"] = 4.0
    trained = train_candidate(thinned, NAMES, OPTIONS)
    held_out = ROWS[ROWS["part"] == "threshold"]
    probability = trained.predict_probability(held_out[list(NAMES)].to_numpy(np.float32))
    frauds = held_out["is_fraud"].sum()
    assert probability.sum() == pytest.approx(frauds, rel=0.25)


@pytest.mark.parametrize("part", ["fit", "calibration", "threshold"])
def test_a_part_without_a_fraud_is_refused_by_name(part: str) -> None:
    rows = ROWS[(ROWS["part"] != part) | ~ROWS["is_fraud"]]
    with pytest.raises(NotEnoughDataError, match=f"the {part} rows"):
        train_candidate(rows, NAMES, OPTIONS)


def test_an_unknown_estimator_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="FRAUD_ESTIMATOR"):
        train_candidate(ROWS, NAMES, replace(OPTIONS, estimator="oracle"))


def test_split_search_is_exact_up_to_the_row_limit() -> None:
    assert split_search(EXACT_MAX_ROWS)["tree_method"] == "exact"
    assert split_search(EXACT_MAX_ROWS + 1)["tree_method"] == "hist"


@pytest.mark.parametrize("plot", [pr_curve_plot, calibration_plot, feature_importance_plot])
def test_plots_are_reproducible_png_images(
    candidate: Candidate, plot: Callable[[Candidate], bytes]
) -> None:
    drawn = plot(candidate)
    assert drawn.startswith(b"\x89PNG")
    assert plot(candidate) == drawn
