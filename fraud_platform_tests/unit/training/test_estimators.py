"""Every declared estimator can be opened, by the name that settings and stored models have."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings
from fraud_platform.training.candidate import Candidate, TrainingOptions, train_candidate
from fraud_platform.training.estimators import ESTIMATORS, estimator_named
from fraud_platform.training.fitting import FitContext
from fraud_platform.training.thresholds import Constraints
from fraud_platform_tests.testing.worlds.training_rows import NAMES, labelled_rows

ALL = [declared.name for declared in ESTIMATORS]


def test_names_are_distinct_and_the_default_is_among_them() -> None:
    assert len(set(ALL)) == len(ALL)
    assert Settings().estimator in ALL
    assert {"xgboost", "random_forest"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_an_estimator_opens_without_a_session(name: str) -> None:
    estimator = estimator_named(name).open(FitContext(NAMES))
    assert callable(estimator.fit)
    assert callable(estimator.load)


@pytest.mark.parametrize("name", [d.name for d in ESTIMATORS if not d.needs_spark])
def test_an_estimator_keeps_the_rules_of_its_interface(name: str, tmp_path: Path) -> None:
    """Equal rows give equal bytes, a loaded model scores alike, a row scores alike when alone."""
    rows = labelled_rows(rows_a_day=500)
    options = TrainingOptions(
        name, seed=7, constraints=Constraints(100.0, 0.05, 5.0), chooses=False
    )
    for folder, given in (("a", rows), ("b", rows.sample(frac=1, random_state=3))):
        train_candidate(given, NAMES, options).save(tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    loaded = Candidate.load(tmp_path / "a")
    features = rows[list(NAMES)].to_numpy("float32")[:100]
    together = loaded.predict_probability(features)
    assert (together == train_candidate(rows, NAMES, options).predict_probability(features)).all()
    alone = [loaded.predict_probability(features[i : i + 1])[0] for i in range(100)]
    assert alone == list(together)
    assert loaded.model.explain(features).shape == features.shape
    assert loaded.model.feature_importance().sum() == pytest.approx(1.0)


def test_an_estimator_that_a_model_names_and_this_code_has_not_is_named() -> None:
    with pytest.raises(SettingsError, match=r"found 'oracle'.*deploy the code that the model was"):
        estimator_named("oracle")
