"""A model's signature says what it uses: others may change, what decides its features may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from fraud_platform.contracts import active as declaration
from fraud_platform.contracts.active import DECLARATION, FEATURE_NAMES, feature_signature
from fraud_platform.contracts.feature_language import declarables
from fraud_platform.contracts.feature_language.declarables import (
    Declaration,
    Feature,
    Flag,
    LabelMeasure,
)
from fraud_platform.contracts.feature_language.expressions import Expression, ratio
from fraud_platform.contracts.feature_language.terms import CustomerSum, LabelSum, RowTerm
from fraud_platform.datasets.handbook.features import CHOSEN_NAMES
from fraud_platform.errors import NotEnoughDataError, SchemaMismatchError
from fraud_platform.features import compatibility
from fraud_platform.scoring.engines import micro_batch
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.state.recovery import Snapshot, _layout, layout
from fraud_platform.training.candidate import Candidate, TrainingOptions, train_candidate
from fraud_platform.training.thresholds import Constraints
from fraud_platform_tests.testing.worlds.scoring import MODEL_FEATURES, train_small
from fraud_platform_tests.testing.worlds.training_rows import labelled_rows

NEW = Feature(
    "amount_share_7d",
    "Amount over all amounts of the customer's last 7 days.",
    ratio(RowTerm("amount_cents"), CustomerSum("amount_cents", 7) + RowTerm("amount_cents")),
)


def changed(**changes: object) -> Declaration:
    return replace(DECLARATION, **changes)  # type: ignore[arg-type]


def with_features(**formulas: Expression) -> Declaration:
    """Return the declaration with the formulas of some features changed."""
    features = tuple(
        replace(f, formula=formulas[f.name]) if f.name in formulas else f
        for f in DECLARATION.features
    )
    return changed(features=features)


def test_another_features_coming_or_going_changes_no_models_signature() -> None:
    own = DECLARATION.signature_of(CHOSEN_NAMES)
    assert changed(features=(*DECLARATION.features, NEW)).signature_of(CHOSEN_NAMES) == own
    assert changed(features=(NEW, *DECLARATION.features)).signature_of(CHOSEN_NAMES) == own
    kept = tuple(f for f in DECLARATION.features if f.name in CHOSEN_NAMES)
    assert changed(features=kept).signature_of(CHOSEN_NAMES) == own
    new_measure = LabelMeasure("n_new", "New.", frozenset({1}))
    more = (*DECLARATION.label_measures, new_measure)
    assert changed(label_measures=more).signature_of(CHOSEN_NAMES) == own
    new_flag = Flag("n_dear", "Dear.", RowTerm("amount_cents") > 100_000)
    assert changed(flags=(*DECLARATION.flags, new_flag)).signature_of(CHOSEN_NAMES) == own
    assert DECLARATION.signature_of(reversed(CHOSEN_NAMES)) == own


def test_what_decides_a_models_features_changes_its_signature() -> None:
    own = DECLARATION.signature_of(CHOSEN_NAMES)
    amount = ratio(RowTerm("amount_cents"), 1000)
    assert with_features(amount=amount).signature_of(CHOSEN_NAMES) != own
    assert with_features(is_night=amount).signature_of(CHOSEN_NAMES) == own
    assert DECLARATION.signature_of([*CHOSEN_NAMES, "is_night"]) != own
    assert DECLARATION.signature_of(CHOSEN_NAMES[1:]) != own


@pytest.mark.parametrize("flag", [f.name for f in DECLARATION.flags])
def test_a_flag_counts_for_the_models_that_read_it_and_for_no_other(flag: str) -> None:
    """Directly, by a sum, or by the time since it."""
    last_of = {m.name: m.flag for m in DECLARATION.last_times}
    readers = [
        f.name
        for f in DECLARATION.features
        for leaf in f.formula.leaves()
        if flag in (getattr(leaf, "measure", None), last_of.get(getattr(leaf, "measure", "")))
    ]
    flags = tuple(
        replace(f, condition=f.condition + 1) if f.name == flag else f for f in DECLARATION.flags
    )
    other = changed(flags=flags)
    found = [n for n in FEATURE_NAMES if other.signature_of([n]) != DECLARATION.signature_of([n])]
    assert found == [n for n in FEATURE_NAMES if n in readers]
    assert readers


@pytest.mark.parametrize("measure", [m.name for m in DECLARATION.label_measures])
def test_a_label_measure_counts_also_through_a_flag(measure: str) -> None:
    """A suspicious amount is one over the mean of known genuine ones."""
    measures = tuple(
        replace(m, scenarios=frozenset({1, 3})) if m.name == measure else m
        for m in DECLARATION.label_measures
    )
    other = changed(label_measures=measures)
    found = {n for n in FEATURE_NAMES if other.signature_of([n]) != DECLARATION.signature_of([n])}
    direct = {
        f.name
        for f in DECLARATION.features
        if any(getattr(leaf, "measure", "") == measure for leaf in f.formula.leaves())
    }
    assert direct <= found
    assert "is_night" not in found
    if measure in ("n_genuine", "genuine_cents"):
        assert "customer_n_suspicious_7d" in found


def set_time(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """Change a constant of the platform, or the label delay of the data set."""
    if name == "LABEL_DELAY_HOURS":
        monkeypatch.setitem(vars(DECLARATION), "label_delay_hours", value)
    else:
        monkeypatch.setattr(declarables, name, value)


def test_windows_and_the_label_delay_count(monkeypatch: pytest.MonkeyPatch) -> None:
    own = DECLARATION.signature_of(["terminal_risk_7d"])
    wider = ratio(LabelSum("terminal", "n_fraud", 8), 1)
    assert with_features(terminal_risk_7d=wider).signature_of(["terminal_risk_7d"]) != own
    for name in ("LABEL_DELAY_HOURS", "TILE_SECONDS", "MAX_WINDOW_HOURS"):
        with monkeypatch.context() as patched:
            set_time(patched, name, 12)
            assert DECLARATION.signature_of(["terminal_risk_7d"]) != own


WHOLE_BEFORE = "99ba72481b0273a5b69d93ef69c0569b2d47c649b314670bb5544cea72fc9cf0"
TILES_BEFORE = "e9fc0d7ff6a786b5fe9c02b4ba1bb2565276604b3ed8589885cb16617f908822"
CHOSEN_BEFORE = "f7f23c645d3d013495890c33354ed8904cef61a2312e066ff4a5c27dc417ea54"
EVERY_BEFORE = "038af18e9904124d0bedb18670fb006669b3ddeef4f91e6019e3a2c85d4716cb"
"""Signatures that earlier builds wrote to models, days and tiles."""

TIMES = ("TILE_SECONDS", "LABEL_DELAY_HOURS", "MAX_WINDOW_HOURS", "MAX_SINCE_SECONDS")


@pytest.mark.parametrize("name", TIMES)
def test_each_time_changes_every_signature(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of all that is declared, of a model, of tiles, and of what a snapshot holds."""

    def signatures() -> tuple[str, ...]:
        whole = DECLARATION.signature(), feature_signature(), DECLARATION.tiles_signature()
        return *whole, DECLARATION.signature_of(CHOSEN_NAMES), layout()

    before = signatures()
    set_time(monkeypatch, name, 12)
    assert not set(before) & set(signatures())
    monkeypatch.undo()
    assert signatures() == before


def test_signatures_from_before_they_named_times_stay_valid_under_the_times_of_then() -> None:
    assert DECLARATION.signature() == WHOLE_BEFORE
    assert DECLARATION.tiles_signature() == TILES_BEFORE
    assert DECLARATION.signature_of(CHOSEN_NAMES) == CHOSEN_BEFORE
    assert compatibility.is_declared_as(CHOSEN_NAMES, CHOSEN_BEFORE)
    assert compatibility.is_declared_as(FEATURE_NAMES, EVERY_BEFORE)
    assert compatibility.is_declared_as(CHOSEN_NAMES, compatibility.FIRST_DECLARATION)
    assert compatibility.first_tiles_signature() == TILES_BEFORE


@pytest.mark.parametrize("name", TIMES)
def test_days_and_tiles_from_before_are_refused_after_a_time_changes(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    set_time(monkeypatch, name, 12)
    assert DECLARATION.signature() not in (WHOLE_BEFORE, compatibility.FIRST_DECLARATION)
    assert DECLARATION.tiles_signature() not in (
        TILES_BEFORE,
        compatibility.first_tiles_signature(),
    )


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize(
    ("name", "field"),
    [("LABEL_DELAY_HOURS", "label_delay_hours"), ("MAX_WINDOW_HOURS", "max_window_hours")],
)
def test_a_model_of_other_times_is_refused_with_the_time_that_changed(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, name: str, field: str, is_first: bool
) -> None:
    if is_first:
        signed = {"feature_signature": compatibility.FIRST_DECLARATION}
        candidate = replace(candidate, parameters={**candidate.parameters, **signed})
    assert PinnedModel("fraud", 1, candidate).candidate is candidate
    was = getattr(DECLARATION.times, field)
    set_time(monkeypatch, name, 192)
    with pytest.raises(SchemaMismatchError, match=f"{field} is 192, was {was}"):
        PinnedModel("fraud", 1, candidate)


def test_a_snapshot_of_other_times_is_refused_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Snapshot(date(2018, 7, 2), 3)

    class Stored:
        def __init__(self, entity: str) -> None:
            self._entity = entity

        def read_arrow(self, *of: object) -> pa.Table:
            return pa.table({"entity": [self._entity]})

    measures = _layout(Stored(layout()), snapshot)  # type: ignore[arg-type]
    assert measures == {tile.name: tile.names for tile in DECLARATION.tiles}
    assert _layout(Stored(""), snapshot) == compatibility.first_layout()  # type: ignore[arg-type]
    for entity in (layout(), ""):
        set_time(monkeypatch, "LABEL_DELAY_HOURS", 192)
        with pytest.raises(SchemaMismatchError, match=r"labels after 192 h.*labels after 168 h"):
            _layout(Stored(entity), snapshot)  # type: ignore[arg-type]
    assert _layout(Stored(layout()), snapshot) == measures  # type: ignore[arg-type]


def use(monkeypatch: pytest.MonkeyPatch, other: Declaration) -> None:
    for module in (declaration, micro_batch, compatibility):
        monkeypatch.setattr(module, "DECLARATION", other)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return Candidate.load(train_small(tmp_path_factory.mktemp("model")))


def test_a_champion_goes_on_when_a_feature_comes_that_it_does_not_use(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, changed(features=(*DECLARATION.features, NEW)))
    assert PinnedModel("fraud", 1, candidate).candidate is candidate


def test_a_champion_of_before_models_were_signed_by_what_they_use_goes_on(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It carries the signature of all that was declared then."""
    parameters = {**candidate.parameters, "feature_signature": compatibility.FIRST_DECLARATION}
    old = replace(candidate, parameters=parameters)
    assert PinnedModel("fraud", 1, old).candidate is old
    use(monkeypatch, changed(features=(*DECLARATION.features, NEW)))
    assert PinnedModel("fraud", 1, old).candidate is old
    use(monkeypatch, with_features(is_night=NEW.formula))
    with pytest.raises(SchemaMismatchError):
        PinnedModel("fraud", 1, old)


@pytest.mark.parametrize("place", [0, 39])
def test_a_feature_that_the_champion_uses_may_neither_go_nor_change(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    name = MODEL_FEATURES[place]
    kept = tuple(f for f in DECLARATION.features if f.name != name)
    use(monkeypatch, changed(features=kept))
    with pytest.raises(SchemaMismatchError, match=rf"which needs {name}.*new_feature.md"):
        PinnedModel("fraud", 1, candidate)
    use(monkeypatch, with_features(**{name: NEW.formula}))
    with pytest.raises(SchemaMismatchError, match="Restore their declarations"):
        PinnedModel("fraud", 1, candidate)


def test_training_on_days_without_a_feature_says_which_and_what_to_wait_for() -> None:
    rows = labelled_rows(rows_a_day=200, seed=3)
    names = ["signal", "other"]
    rows.loc[rows.index[:50], "other"] = float("nan")
    options = TrainingOptions(
        "xgboost", seed=1, constraints=Constraints(500.0, 0.5, 0.1), chooses=False
    )
    with pytest.raises(NotEnoughDataError, match=r"none of other in .*daily_features"):
        train_candidate(rows, names, options)
