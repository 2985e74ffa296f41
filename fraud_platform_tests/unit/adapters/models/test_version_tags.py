"""A model version in a real MLflow: a page of few tags, and a lineage that programs read."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import mlflow
import pytest

from fraud_platform.adapters.models.registry import CHAMPION, ModelVersion
from fraud_platform.adapters.models.version_tags import pack, unpack
from fraud_platform.contracts.tables import TableContract
from fraud_platform.defs.automation.maintenance import vacuum_lake
from fraud_platform.errors import ModelDamagedError
from fraud_platform.operations.models.champion import mend_champion
from fraud_platform.operations.models.weeks import trained_on, training_end
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform_tests.testing.worlds.registry import RegistryWorld, empty_database

MOST_TAGS = 8
LINEAGE = {
    "table_version.training_set": "4",
    "table_version.transaction_features": "10",
    "table_version.drop_labels": "3",
    "training_start": "2018-06-11",
    "training_end": "2018-06-18",
    "training_inputs": "f" * 64,
    "feature_signature": "e" * 64,
    "dagster_run_id": "a-run",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_database(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def world(tmp_path: Path, database: Path) -> RegistryWorld:
    return RegistryWorld.make(tmp_path / "home", database)


def register(world: RegistryWorld, week: int = 0, content: str = "x") -> ModelVersion:
    folder = world.settings.home / f"candidate_{week}_{content}"
    folder.mkdir(parents=True)
    (folder / "candidate.json").write_text(json.dumps({"content": content}))
    day = world.day(week).isoformat()
    files = {"features.md": b"# features"}
    return world.registry.register(day, folder, ("amount",), {}, {}, files, LINEAGE)


def page(world: RegistryWorld, version: int) -> dict[str, str]:
    """Return the tags that MLflow shows on a version's page."""
    return dict(world.client.get_model_version("fraud", str(version)).tags)


def as_registered_before(world: RegistryWorld, version: int) -> None:
    """Give a version the tags of a release that kept every part of its lineage as a tag."""
    model = world.registry.get(version)
    world.client.delete_model_version_tag("fraud", str(version), "lineage")
    for name, text in model.tags.items():
        world.client.set_model_version_tag("fraud", str(version), name, text)


def test_a_version_shows_few_tags_before_and_after_its_decision(world: RegistryWorld) -> None:
    model = register(world)
    assert set(page(world, 1)) == {"content_sha256", "knowledge_date", "lineage"}
    world.promote(0, model)
    shown = page(world, 1)
    assert len(shown) <= MOST_TAGS, shown
    assert {"promotion.action", "promotion.by", "promotion.reason"} <= set(shown)
    assert shown["content_sha256"] == model.sha256


def test_the_run_has_the_lineage_as_a_file_and_few_tags(world: RegistryWorld) -> None:
    model = register(world)
    run = world.client.get_run(model.run_id)
    own = {name for name in run.data.tags if not name.startswith("mlflow.")}
    assert own == {"content_sha256", "knowledge_date"}
    path = mlflow.artifacts.download_artifacts(
        run_id=model.run_id, artifact_path="lineage.json", tracking_uri=world.settings.mlflow
    )
    assert json.loads(Path(path).read_text()) == LINEAGE


@pytest.mark.parametrize("is_old", [False, True], ids=["this release", "an older release"])
def test_the_lineage_is_read_from_one_tag_or_from_many(world: RegistryWorld, is_old: bool) -> None:
    made = register(world)
    if is_old:
        as_registered_before(world, 1)
        assert len(page(world, 1)) > MOST_TAGS
    (model,) = world.registry.versions()
    assert model.tags == made.tags
    assert {name: model.tags[name] for name in LINEAGE} == LINEAGE
    assert training_end(model) == date(2018, 6, 18)
    assert trained_on(world.registry)[1] == (date(2018, 6, 11), date(2018, 6, 17), "f" * 64)
    with world.registry.candidate_folder(1, made.sha256) as folder:
        assert (folder / "candidate.json").exists()
    assert register(world, content="y").version == 2, "other files are another model"
    folder = world.settings.home / "candidate_0_x"
    day = world.day(0).isoformat()
    assert world.registry.register(day, folder, (), {}, {}, {}, {}).version == 1


@pytest.mark.parametrize("is_old", [False, True], ids=["this release", "an older release"])
def test_a_lost_champion_comes_back_with_its_lineage(world: RegistryWorld, is_old: bool) -> None:
    model = register(world)
    if is_old:
        as_registered_before(world, 1)
    world.promote(0, model)
    world.client.delete_registered_model("fraud")
    mend_champion(world.settings, "tester")
    version = world.registry.alias(CHAMPION)
    assert version is not None
    again = world.registry.get(version)
    assert {name: again.tags[name] for name in LINEAGE} == LINEAGE
    assert again.sha256 == model.sha256
    assert len(page(world, again.version)) <= MOST_TAGS


def test_vacuum_keeps_the_versions_that_a_lineage_names(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}

    def vacuum(self: object, table: TableContract, keep_versions: list[int], hours: int) -> int:
        kept[table.name] = keep_versions
        return 0

    monkeypatch.setattr("fraud_platform.adapters.tables.lake.Lake.vacuum", vacuum)
    register(world)
    vacuum_lake(world.settings)
    assert kept[TRANSACTION_FEATURES.name] == [10]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"training_end": 5}', "null"])
def test_a_lineage_that_was_edited_is_named_with_the_remedy(
    world: RegistryWorld, text: str
) -> None:
    register(world)
    world.client.set_model_version_tag("fraud", "1", "lineage", text)
    with pytest.raises(
        ModelDamagedError, match=r"fraud 1: expected its tag lineage.*lineage\.json"
    ):
        world.registry.versions()


def test_packed_tags_are_the_same_when_unpacked() -> None:
    tags = {**LINEAGE, "content_sha256": "c", "knowledge_date": "2018-07-09", "promotion.by": "me"}
    assert unpack("fraud 1", pack(tags)) == tags
    assert pack({"content_sha256": "c"}) == {"content_sha256": "c"}
