"""A model whose bytes are not those that were registered is refused before it is parsed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_files import files_digest, read_files
from fraud_platform.errors import DataError, ModelDamagedError, Outage, UnknownModelError
from fraud_platform.operations.live.replay import rescore_range
from fraud_platform.operations.live.session import load_model
from fraud_platform.operations.models.reproduction import reproduce
from fraud_platform.operations.models.weeks import scored
from fraud_platform.scoring.engines import spark as spark_engine
from fraud_platform.scoring.engines.spark import SparkEngine, TaskPlan
from fraud_platform.settings import Settings
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import SCORED, SCORING
from fraud_platform.training.candidate import Candidate
from fraud_platform_tests.testing.worlds.registry import RegistryWorld, empty_database
from fraud_platform_tests.testing.worlds.scoring import MODEL_FEATURES, train_small

FLIPS = 40


class Stored:
    """Two registered versions, and the folders that their files lie in."""

    def __init__(self, world: RegistryWorld, source: Path) -> None:
        self.world = world
        other = source.with_name("other")
        shutil.copytree(source, other)
        described = json.loads((other / "candidate.json").read_text())
        described["threshold"]["value"] = 0.5
        (other / "candidate.json").write_text(json.dumps(described))
        self.whole = {1: read_files(source), 2: read_files(other)}
        for day, folder in (("2018-07-16", source), ("2018-07-23", other)):
            tags = {"table_version.transaction_features": "1", "table_version.drop_labels": "1"}
            self.registry.register(day, folder, MODEL_FEATURES, {}, {}, {}, tags)
        self._folders = {version: self._find(version) for version in self.whole}

    @property
    def registry(self) -> ModelRegistry:
        return self.world.registry

    def folder(self, version: int) -> Path:
        return self._folders[version]

    def _find(self, version: int) -> Path:
        source = self.world.client.get_model_version("fraud", str(version)).source
        model = self.world.client.get_logged_model(str(source).split("/")[-1])
        root = Path(str(model.artifact_location).removeprefix("file://"))
        return next((root / "artifacts").iterdir())

    def restore(self) -> None:
        for version, files in self.whole.items():
            folder = self.folder(version)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("integrity")
    world = RegistryWorld.make(folder / "home", empty_database(folder))
    return Stored(world, train_small(folder / "candidate"))


@pytest.fixture
def stored(made: Stored, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stored]:
    """The two versions as they were registered; parsing a damaged one fails the test."""
    made.restore()
    load = Candidate.load

    def guarded(folder: Path | str) -> Candidate:
        found = files_digest(read_files(Path(folder)))
        assert found in map(files_digest, made.whole.values()), "damaged files were parsed"
        return load(folder)

    monkeypatch.setattr(Candidate, "load", guarded)
    yield made
    made.restore()


def _threshold(folder: Path, stored: Stored) -> None:
    described = json.loads((folder / "candidate.json").read_text())
    described["threshold"]["value"] = 0.0
    (folder / "candidate.json").write_text(json.dumps(described))


def _other_version(folder: Path, stored: Stored) -> None:
    for path in stored.folder(2).iterdir():
        shutil.copy(path, folder)


def _one_file_of_another(folder: Path, stored: Stored) -> None:
    shutil.copy(stored.folder(2) / "candidate.json", folder)


def _missing_file(folder: Path, stored: Stored) -> None:
    (folder / "xgboost.ubj").unlink()


def _more_files(folder: Path, stored: Stored) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "more.json").write_text("{}")


def _renamed(folder: Path, stored: Stored) -> None:
    (folder / "xgboost.ubj").rename(folder / "xgboost.json")


def _cut_off(folder: Path, stored: Stored) -> None:
    path = folder / "xgboost.ubj"
    path.write_bytes(path.read_bytes()[:-1])


def _blank_at_the_end(folder: Path, stored: Stored) -> None:
    with (folder / "candidate.json").open("a") as file:
        file.write(" ")


def _nothing_left(folder: Path, stored: Stored) -> None:
    shutil.rmtree(folder)


DAMAGES = [
    _threshold, _other_version, _one_file_of_another, _missing_file, _more_files, _renamed,
    _cut_off, _blank_at_the_end, _nothing_left,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_damaged_files_are_refused_with_expected_found_and_remedy(
    stored: Stored, damage: Callable[[Path, Stored], None]
) -> None:
    damage(stored.folder(1), stored)
    with pytest.raises(ModelDamagedError) as caught:
        load_model(stored.registry, 1)
    for part in ("model fraud 1", "expected", "found", "rollback", "Restore"):
        assert part in str(caught.value)
    assert isinstance(caught.value, DataError)
    assert not isinstance(caught.value, Outage)
    assert load_model(stored.registry, 2).version == 2


def test_each_bit_counts(stored: Stored) -> None:
    folder, random = stored.folder(1), np.random.default_rng(6)
    refused = 0
    for _ in range(FLIPS):
        path = folder / str(random.choice(sorted(stored.whole[1])))
        content = bytearray(path.read_bytes())
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(ModelDamagedError):
            load_model(stored.registry, 1)
        path.write_bytes(whole)
        refused += 1
    assert refused == FLIPS
    assert load_model(stored.registry, 1).version == 1


def test_every_way_to_a_model_checks_it(stored: Stored) -> None:
    rows = pd.DataFrame(np.zeros((2, len(MODEL_FEATURES)), np.float32), columns=MODEL_FEATURES)
    version, settings = stored.registry.get(1), stored.world.settings
    mlflow.set_tracking_uri(settings.mlflow)
    ways: list[Callable[[], object]] = [
        lambda: load_model(stored.registry, 1),
        lambda: scored(stored.registry, version, rows),
        lambda: rescore_range(settings, 1, 2, 1),
        lambda: reproduce(settings, 1),
        lambda: mlflow.pyfunc.load_model("models:/fraud/1"),
    ]
    assert mlflow.pyfunc.load_model("models:/fraud/1").predict(rows).shape == (2,)
    _threshold(stored.folder(1), stored)
    for way in ways:
        with pytest.raises(ModelDamagedError):
            way()


def test_a_worker_checks_the_bytes_that_travelled(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, model = SparkEngine.__new__(SparkEngine), load_model(stored.registry, 1)
    engine._files = None
    files, sha256 = engine._model_files(model)
    assert sha256 == stored.registry.get(1).sha256
    monkeypatch.setattr(spark_engine, "_MODELS", {})

    def plan(files: dict[str, bytes]) -> TaskPlan:
        named = {
            "model_name": "fraud",
            "model_version": 1,
            "model_files": files,
            "model_sha256": sha256,
        }
        others = {field.name: None for field in fields(TaskPlan) if field.name not in named}
        return TaskPlan(**others, **named)  # type: ignore[arg-type]

    with pytest.raises(ModelDamagedError, match="as the scoring run names it"):
        spark_engine._worker_model(plan({**files, "candidate.json": b"{}"}))
    assert spark_engine._worker_model(plan(dict(files))).version == 1
    with pytest.raises(ModelDamagedError):
        spark_engine._worker_model(replace(plan({**files, "more": b""}), model_sha256="f" * 64))


def test_the_history_counts_too_where_tag_and_files_were_changed_together(stored: Stored) -> None:
    expected = str(stored.registry.get(1).sha256)
    _threshold(stored.folder(1), stored)
    changed = files_digest(read_files(stored.folder(1)))
    stored.registry.tag(1, {"content_sha256": changed})
    try:
        with pytest.raises(ModelDamagedError, match="as the promotion history names it"):
            load_model(stored.registry, 1, expected)
    finally:
        stored.registry.tag(1, {"content_sha256": expected})


def test_a_version_without_a_digest_cannot_be_checked_and_is_refused(stored: Stored) -> None:
    expected = str(stored.registry.get(1).sha256)
    stored.world.client.delete_model_version_tag("fraud", "1", "content_sha256")
    try:
        with pytest.raises(ModelDamagedError, match="found none"):
            load_model(stored.registry, 1)
    finally:
        stored.registry.tag(1, {"content_sha256": expected})


@pytest.mark.parametrize(("batches", "there"), [((1, 2), "none yet"), ((3, 1), "none yet")])
def test_a_replay_of_micro_batches_that_do_not_exist_fails(
    stored: Stored, batches: tuple[int, int], there: str
) -> None:
    settings = stored.world.settings
    with pytest.raises(DataError, match=rf"--range {batches[0]}-{batches[1]}.*found {there}"):
        rescore_range(settings, *batches, 1)
    assert stored.world.lake.open(SCORED) is None, "a mistaken command makes no table"


def test_a_replay_names_the_micro_batches_that_there_are(stored: Stored, tmp_path: Path) -> None:
    """Three were scored, the second before a feature of the model came."""
    lake, features = Lake(str(tmp_path / "lake")), set(MODEL_FEATURES)
    settings = Settings(home=tmp_path, lake_url=lake.url, mlflow_url=stored.world.settings.mlflow)
    log = lake.numbered(SCORED, SCORING)
    for number in (1, 2, 3):
        row = {c.name: _VALUES[c.type] for c in SCORED.columns} | {"micro_batch": number}
        row["tx_datetime"] = datetime(2018, 7, 30, tzinfo=UTC)
        rows = pa.Table.from_pylist([row], schema=SCORED.arrow_schema)
        if number == 2:
            rows = rows.drop_columns(["is_night"])
            assert "is_night" in features
        files = write_rows(lake.files, lake.uri(SCORED), SCORED, rows)
        assert log.append(files, number)
    for first, last in ((4, 4), (0, 1), (2, 9), (3, 2)):
        with pytest.raises(DataError, match=rf"--range {first}-{last}.*found 1 to 3"):
            rescore_range(settings, first, last, 1)
    with pytest.raises(DataError, match=r"none of is_night in micro-batches 2 to 2"):
        rescore_range(settings, 1, 3, 1)
    assert rescore_range(settings, 3, 3, 1) == 1


_VALUES = {
    "long": 1, "int": 0, "float": 1.0, "double": 0.5, "boolean": False, "string": "x",
    "array<string>": [], "timestamp": datetime(2018, 7, 30, tzinfo=UTC),
}  # fmt: skip


def test_an_unknown_version_is_no_outage_and_names_those_that_are_there(stored: Stored) -> None:
    for ask in (stored.registry.get, lambda v: load_model(stored.registry, v)):
        with pytest.raises(UnknownModelError, match=r"fraud 77.*found 1, 2"):
            ask(77)
    with pytest.raises(UnknownModelError, match="found 1, 2"):
        stored.registry.set_alias("champion", 77)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": b"bc"}, {"ab": b"c"}),
        ({"a": b"", "b": b""}, {"a": b"b"}),
        ({"a": b"x", "b": b"y"}, {"a": b"y", "b": b"x"}),
        ({}, {"": b""}),
    ],
)
def test_different_files_have_different_digests(
    first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    assert files_digest(first) != files_digest(second)
    assert files_digest(first) == files_digest(dict(reversed(first.items())))
