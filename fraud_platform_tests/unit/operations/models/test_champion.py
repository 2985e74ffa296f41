"""Registry against promotion history: what becomes of each way in which they can part."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.tables import numbered
from fraud_platform.cli.commands import app
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.defs.automation.maintenance import vacuum_lake
from fraud_platform.errors import (
    ChampionMismatchError,
    DataError,
    DecisionConflictError,
    ModelDamagedError,
    Outage,
    PromotionError,
    RegistryLostError,
    UnknownModelError,
)
from fraud_platform.operations.doctor import Level, check_champion
from fraud_platform.operations.live.follow import _champion
from fraud_platform.operations.models import decisions
from fraud_platform.operations.models.champion import (
    COMMAND,
    Standing,
    find_champion,
    mend_champion,
)
from fraud_platform.operations.models.decisions import carry_out, read_history, rollback, settle
from fraud_platform.operations.models.weeks import registered
from fraud_platform.promotion.history import alias_target, digest_of, previous_champion
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.row_files import write_rows
from fraud_platform_tests.testing.worlds.registry import RegistryWorld, SavedWorld, empty_database
from fraud_platform_tests.testing.worlds.registry_damage import (
    CASES,
    alias_deleted,
    model_deleted,
    remove_database,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_database(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, database: Path) -> SavedWorld:
    """Two champions after each other; versions 1 and 2."""
    folder = tmp_path_factory.mktemp("champions")
    world = RegistryWorld.make(folder / "home", database)
    for week in (0, 1):
        world.promote(week, world.train(week))
    assert world.registry.alias(CHAMPION) == 2
    return SavedWorld.save(world, folder / "saved")


@pytest.fixture
def world(saved: SavedWorld, monkeypatch: pytest.MonkeyPatch) -> RegistryWorld:
    """The saved world, restored."""
    monkeypatch.setenv("FRAUD_HOME", str(saved.settings.home))
    return saved.restore()


@pytest.mark.parametrize(
    ("damage", "standing", "error", "version"),
    CASES,
    ids=[case[0].__name__ for case in CASES],
)
def test_each_disagreement_is_found_named_and_mended_by_one_command(
    world: RegistryWorld,
    damage: Callable[[RegistryWorld], None],
    standing: Standing,
    error: type[DataError],
    version: int,
) -> None:
    digest = digest_of(read_history(world.lake), "2")
    damage(world)

    found = find_champion(world.lake, world.registry)
    assert found.standing is standing
    assert not found.is_fine
    assert COMMAND in found.words
    assert all(word in found.words for word in ("expected", "found"))
    for starts in (
        lambda: _champion(world.lake, world.registry),
        lambda: vacuum_lake(world.settings),
        found.require,
    ):
        with pytest.raises(error) as caught:
            starts()
        assert not isinstance(caught.value, Outage)
    (finding,) = check_champion(world.settings)
    assert (finding.level, finding.message) == (Level.PROBLEM, found.words)

    mend_champion(world.settings, "tester")
    assert world.registry.alias(CHAMPION) == version
    assert world.registry.get(version).sha256 == digest
    assert find_champion(world.lake, world.registry).standing is Standing.AGREES
    assert [one.level for one in check_champion(world.settings)] == [Level.OK]
    with world.registry.candidate_folder(version, digest) as folder:
        assert (folder / "candidate.json").exists()
    assert "nothing to repair" in mend_champion(world.settings, "tester")


def test_looking_makes_no_empty_registry(world: RegistryWorld) -> None:
    remove_database(world)
    registry = world.registry
    assert (registry.versions(), registry.alias(CHAMPION)) == ([], None)
    assert not find_champion(world.lake, registry).is_fine
    assert not world.database.exists()


@pytest.mark.parametrize("damage", [remove_database, model_deleted])
def test_training_makes_no_new_registry_where_the_history_names_models(
    world: RegistryWorld, damage: Callable[[RegistryWorld], None]
) -> None:
    damage(world)
    with pytest.raises(RegistryLostError, match=r"found an empty registry.*--from-history"):
        world.train(2, known_models=2)
    assert world.registry.versions() == []
    assert world.train(2, known_models=0).version == 1, "a platform without history may begin"


def test_a_deleted_experiment_is_named_and_restored(world: RegistryWorld) -> None:
    experiment = world.client.get_experiment_by_name("fraud_platform")
    assert experiment is not None
    world.client.delete_experiment(experiment.experiment_id)
    with pytest.raises(RegistryLostError, match=r"experiment fraud_platform deleted"):
        world.train(2, known_models=2)
    (finding,) = check_champion(world.settings)
    assert finding.level is Level.PROBLEM
    assert "experiment was deleted" in finding.message
    assert _find_version(world) == 2, "the champion goes on scoring"
    assert "were restored" in mend_champion(world.settings, "tester")
    assert world.train(2, known_models=2).version == 3


def _find_version(world: RegistryWorld) -> int | None:
    return find_champion(world.lake, world.registry).require().version


def test_after_a_restored_database_no_untested_model_takes_a_champions_place(
    world: RegistryWorld, tmp_path: Path
) -> None:
    """The backup is of before version 3, which became champion; then 3 is given to another."""
    backup = tmp_path / "backup.db"
    shutil.copy(world.database, backup)
    third = world.train(2)
    world.promote(2, third)
    tested = world.evidence(2, third)
    world.use_database(backup)

    assert find_champion(world.lake, world.registry).standing is Standing.VERSION_GONE
    other = world.train(2, "retrained", known_models=3)
    assert other.version == 4, "the number of the lost champion is given to no other model"
    assert [model.version for model in world.registry.versions()] == [1, 2, 4]
    # even if an older build of the platform gave the number
    untested = replace(tested, candidate_sha256=other.sha256)
    with pytest.raises(PromotionError, match="registry gave this number to another model"):
        settle(world.lake, world.registry, world.deciding(untested))
    assert alias_target(read_history(world.lake)) == "3"

    mend_champion(world.settings, "tester")
    history = read_history(world.lake)
    assert alias_target(history) == "5"
    assert world.registry.get(5).sha256 == third.sha256
    assert previous_champion(history) == "2"
    assert champion_files(world.registry, 5) == '{"week": 2, "content": ""}'
    world.promote(3, world.train(3, known_models=5))
    assert world.registry.alias(CHAMPION) == 6
    rollback(world.settings, "tester", "drill")
    assert world.registry.alias(CHAMPION) == 5


def champion_files(registry: ModelRegistry, version: int) -> str:
    with registry.candidate_folder(version) as folder:
        return (folder / "candidate.json").read_text()


def test_a_report_on_other_bytes_is_no_evidence(world: RegistryWorld) -> None:
    candidate = world.train(2)
    evidence = replace(world.evidence(2, candidate), candidate_sha256="f" * 64)
    with pytest.raises(ChampionMismatchError, match="Nothing was decided"):
        settle(world.lake, world.registry, world.deciding(evidence))
    with pytest.raises(ChampionMismatchError, match="the A/B report names it"):
        registered(world.lake, world.registry, "3", "f" * 64)
    assert len(read_history(world.lake)) == 2
    assert world.registry.alias(CHAMPION) == 2


def test_a_decision_under_way_does_not_undo_a_rollback(world: RegistryWorld) -> None:
    decision = world.deciding(world.evidence(2, world.train(2)))(read_history(world.lake))
    rollback(world.settings, "a person", "it declines everything")
    with pytest.raises(DecisionConflictError) as caught:
        carry_out(world.lake, world.registry, decision)
    for part in ("decision 3", "a person wrote rolled back 2", "it declines everything"):
        assert part in str(caught.value)
    assert world.registry.alias(CHAMPION) == 1
    assert [str(row.action) for row in read_history(world.lake)][2:] == ["rolled_back"]


def test_the_commit_itself_refuses_it_not_a_look_before(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback is written after everything that the decision looks at, before its commit."""
    decide_on = world.deciding(world.evidence(2, world.train(2)))
    messages: list[str] = []

    def roll_back_first(*args: Any) -> list[DataFile]:
        monkeypatch.setattr(numbered, "write_rows", write_rows)
        rollback(world.settings, "a person", "now")
        return write_rows(*args)

    monkeypatch.setattr(numbered, "write_rows", roll_back_first)
    with pytest.raises(PromotionError, match=r"compares with champion 2, but before .* is 1"):
        settle(world.lake, world.registry, decide_on, messages.append)
    assert "a person wrote rolled back 2 (now)" in messages[0]
    assert world.registry.alias(CHAMPION) == 1
    assert alias_target(read_history(world.lake)) == "1"


def test_a_finished_decision_that_is_run_again_leaves_a_rollback_alone(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decided before the rollback that it stands, and sets the alias after it."""
    standing = world.deciding(world.evidence(1, world.registry.get(2)))(read_history(world.lake))
    assert not standing.is_new
    rollback(world.settings, "a person", "why not")
    carry_out(world.lake, world.registry, standing)
    assert world.registry.alias(CHAMPION) == 1


def test_of_two_that_set_the_alias_the_last_decision_counts(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback is written and carried out between another's look at the history and its alias."""
    set_alias = ModelRegistry.set_alias
    rolled: list[bool] = []

    def slowly(self: ModelRegistry, name: str, version: int | None) -> None:
        if not rolled:
            rolled.append(True)
            rollback(world.settings, "a person", "why not")
        set_alias(self, name, version)

    monkeypatch.setattr(ModelRegistry, "set_alias", slowly)
    world.promote(2, world.train(2))
    assert world.registry.alias(CHAMPION) == 2
    assert [str(row.action) for row in read_history(world.lake)][2:] == ["promoted", "rolled_back"]


def test_a_decision_whose_alias_has_not_followed_yet_counts(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decisions, "let_aliases_follow", killed)
    with pytest.raises(KeyboardInterrupt):
        world.promote(2, world.train(2))
    assert world.registry.alias(CHAMPION) == 2
    found = find_champion(world.lake, world.registry)
    assert (found.standing, found.version) == (Standing.FOLLOWS, 3)
    mend_champion(world.settings, "tester")
    assert world.registry.alias(CHAMPION) == 3


def test_before_the_first_decision_a_person_may_name_a_champion(
    tmp_path: Path, database: Path
) -> None:
    world = RegistryWorld.make(tmp_path / "new", database)
    assert find_champion(world.lake, world.registry).standing is Standing.NOBODY
    world.train(0)
    world.registry.set_alias(CHAMPION, 1)
    found = find_champion(world.lake, world.registry)
    assert (found.standing, found.version) == (Standing.BY_HAND, 1)
    with pytest.raises(PromotionError, match="expected decisions"):
        mend_champion(world.settings, "tester")


def test_nothing_is_rolled_back_to_damaged_files(world: RegistryWorld) -> None:
    at = world.registry.get(1).tags["model_artifacts"].removeprefix("file://")
    next(Path(at).glob("artifacts/*/candidate.json")).write_text("{}")
    with pytest.raises(ModelDamagedError, match="fraud 1"):
        rollback(world.settings, "tester", "drill")
    assert len(read_history(world.lake)) == 2


def test_a_champion_without_artifacts_is_left_by_a_rollback(world: RegistryWorld) -> None:
    world.client.delete_model_version("fraud", "2")
    shutil.rmtree(digest_place(world, "2"))
    with pytest.raises(ModelDamagedError, match="artifacts from a backup"):
        mend_champion(world.settings, "tester")
    rollback(world.settings, "tester", "its artifacts are gone")
    assert world.registry.alias(CHAMPION) == 1
    assert find_champion(world.lake, world.registry).standing is Standing.AGREES


def digest_place(world: RegistryWorld, version: str) -> str:
    import json

    row = next(row for row in read_history(world.lake) if row.model_version == version)
    return json.loads(str(row.model_record))["tags"]["model_artifacts"].removeprefix("file://")


def test_vacuum_keeps_what_lost_models_were_trained_on(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}

    def vacuum(self: object, table: TableContract, keep_versions: list[int], hours: int) -> int:
        kept[table.name] = keep_versions
        return 0

    monkeypatch.setattr("fraud_platform.adapters.tables.lake.Lake.vacuum", vacuum)
    world.client.delete_model_version("fraud", "1")
    vacuum_lake(world.settings)
    assert kept[TRANSACTION_FEATURES.name] == [10, 11]


def test_a_history_of_before_digests_were_kept_goes_on(world: RegistryWorld) -> None:
    """Its table has no such columns: they come with the next decision, and old rows stay."""
    from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
    from fraud_platform.promotion.history import history_table

    rows = history_table(read_history(world.lake))
    old = PROMOTION_HISTORY.column_names[:-2]
    shutil.rmtree(Path(world.settings.lake) / PROMOTION_HISTORY.name)
    contract = replace(PROMOTION_HISTORY, columns=PROMOTION_HISTORY.columns[:-2])
    for number, row in enumerate(rows.select(old).to_pylist(), start=1):
        import pyarrow as pa

        table = pa.Table.from_pylist([row], schema=contract.arrow_schema)
        assert world.lake.numbered(contract, "promotion_history").append_rows(table, number)
    assert find_champion(world.lake, world.registry).standing is Standing.AGREES
    world.promote(2, world.train(2))
    history = read_history(world.lake)
    assert [row.sequence for row in history] == [1, 2, 3]
    assert [row.model_sha256 is None for row in history] == [True, True, False]


def test_an_unknown_version_is_none_of_the_registrys(world: RegistryWorld) -> None:
    with pytest.raises(UnknownModelError, match=r"found 1, 2"):
        registered(world.lake, world.registry, "9")


def test_the_command_shows_and_mends(world: RegistryWorld) -> None:
    from typer.testing import CliRunner

    alias_deleted(world)
    shown = CliRunner().invoke(app, ["champion"])
    assert "found no such alias" in shown.output
    mended = CliRunner().invoke(app, ["champion", "--from-history"])
    assert mended.exit_code == 0, mended.output
    assert "at version 2 again" in mended.output
    assert world.registry.alias(CHAMPION) == 2
    assert datetime.now(UTC) >= read_history(world.lake)[-1].decided_at
