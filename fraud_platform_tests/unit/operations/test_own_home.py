"""A home belongs to one data set: which change of a declaration is another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fraud_platform.contracts.active import DATA_SET
from fraud_platform.contracts.data_set import DataSet, Fact, Key, Money, SourceSpec
from fraud_platform.errors import SettingsError
from fraud_platform.operations import own_home
from fraud_platform.operations.own_home import MARK, require_own_data_set
from fraud_platform.settings import Settings

SOURCE = DATA_SET.source


def use(monkeypatch: pytest.MonkeyPatch, source: SourceSpec, name: str = "other") -> None:
    other: DataSet = replace(DATA_SET, name=name, source=source)
    monkeypatch.setattr(own_home, "DATA_SET", other)


def settings_of(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_a_new_home_is_marked_and_its_data_set_stays_welcome(tmp_path: Path) -> None:
    for _ in range(2):
        require_own_data_set(settings_of(tmp_path))
    assert json.loads((tmp_path / MARK).read_text())["data_set"] == "handbook"
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARK]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (replace(SOURCE, transaction_id=Key("id", "id", is_text=True)), "text keys"),
        (replace(SOURCE, amount=Money("tx_amount", "USD", 2)), "amount"),
        (replace(SOURCE, amount=Money("tx_amount", "EUR", 3)), "amount"),
        (replace(SOURCE, facts=(Fact("lat", "lat", "number", 4),)), "facts"),
        (replace(SOURCE, label=replace(SOURCE.label, kinds=("fraud",))), "kinds of fraud"),
        (replace(SOURCE, customer=Key("card", "customer_id", is_text=False)), "entities"),
    ],
)
def test_rows_of_another_meaning_are_refused_by_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: SourceSpec, words: str
) -> None:
    require_own_data_set(settings_of(tmp_path))
    use(monkeypatch, source)
    with pytest.raises(SettingsError, match=rf"differs in {words}\. Set FRAUD_DATA_SET as before"):
        require_own_data_set(settings_of(tmp_path))


def test_a_sender_may_change_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_own_data_set(settings_of(tmp_path))
    columns = replace(SOURCE.amount, column="amt")
    use(monkeypatch, replace(SOURCE, amount=columns, drops=replace(SOURCE.drops, kind="csv")))
    require_own_data_set(settings_of(tmp_path))


def test_a_home_of_before_there_were_marks_holds_the_handbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake" / "transactions" / "_delta_log").mkdir(parents=True)
    with monkeypatch.context() as patched:
        use(patched, SOURCE)
        with pytest.raises(SettingsError, match="expected the data set handbook"):
            require_own_data_set(settings_of(tmp_path))
    require_own_data_set(settings_of(tmp_path))
