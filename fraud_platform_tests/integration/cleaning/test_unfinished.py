"""A publication dies; any next step leaves a lake in which it never was.

The death is an exception at a kill point; `integration.cleaning.test_recovery` kills processes
there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import DropOutcome, publish_drop
from fraud_platform.cleaning import publish as publish_module
from fraud_platform.cleaning.unfinished import undo_unfinished
from fraud_platform.contracts.tables import QUARANTINE, TRANSACTIONS
from fraud_platform.defs.automation.maintenance import _vacuum
from fraud_platform.errors import DropHeaderError, Outage, VersionGoneError
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles.lake_tables import assert_equals_oracle, everything
from fraud_platform_tests.oracles.nasty_lines import HEADER
from fraud_platform_tests.testing.defaults import limits, unpacking

Z, A, B, C = "2019-07-23", "2019-08-22", "2019-09-21", "2019-10-21"
POINTS = ["after_quarantine", "after_transactions", "before_ledger"]


class Died(BaseException):
    """Stands for SIGKILL."""


def text(*keys: int, label: int = 0, bad: int = 0) -> bytes:
    rows = [b"%d,2019-09-01 10:00:00,1,2,5.00,0,0,%d,%d" % (k, label > 0, label) for k in keys]
    return b"\n".join([HEADER, *rows, *[b"not a row"] * bad, b""])


BEFORE = {A: text(1, 2, bad=1), B: text(2, 3, 4)}
"""B's row 2 is a copy of A's."""
REPLACED = text(1, 3, 9, label=1)
"""Gives 2 back to B, takes 3 from it, corrects a label, and quarantines nothing."""
DIRTY = text(5, bad=9)

NEXT: dict[str, tuple[str, bytes]] = {
    "the same content is published": (A, REPLACED),
    "another content is held": (A, DIRTY),
    "another content is refused": (A, b"a | b\n1,2\n"),
    "an earlier drop is published": (Z, text(3, 7)),
    "a later drop is published": (C, text(2, 30)),
    "the drop behind it is held": (B, DIRTY),
}


@pytest.fixture
def publish(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    def run(
        lake: Lake, drop: str, content: bytes, at: dict[str, Callable[[], Any]] | None = None
    ) -> DropOutcome:
        path = tmp_path / f"{drop}.txt"
        path.write_bytes(content)
        with monkeypatch.context() as patch:
            hooks = {f"cleaning.{name}": call for name, call in (at or {}).items()}
            patch.setattr(publish_module, "kill_point", lambda n: hooks.get(n, lambda: None)())
            return publish_drop(
                spark,
                lake,
                str(path),
                drop,
                content_sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
                run_id="test",
                limits=limits(quarantined=0.5),
                unpacking=unpacking(),
            )

    return run


def die() -> None:
    raise Died


@pytest.fixture
def base(publish: Callable[..., Any], tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "base"))
    for drop, content in BEFORE.items():
        publish(lake, drop, content)
    return lake


def copy_of(lake: Lake, name: str) -> Lake:
    """Copy the lake; the raw files, which all copies share, are again those it was made of."""
    for drop, content in BEFORE.items():
        (Path(lake.url).parent / f"{drop}.txt").write_bytes(content)
    url = f"{lake.url}-{name}"
    shutil.copytree(lake.url, url)
    return Lake(url)


def two_once_and_all_slowly() -> list[Any]:
    """Return two outcomes with one kill point each, and all with all points as slow cases."""
    once = [
        pytest.param(*case, [point], id=name)
        for point, (name, case) in zip(POINTS[:2], NEXT.items(), strict=False)
    ]
    marks = pytest.mark.slow
    return once + [
        pytest.param(*case, POINTS, id=f"{name}, all points", marks=marks)
        for name, case in NEXT.items()
    ]


@pytest.mark.parametrize(("drop", "content", "points"), two_once_and_all_slowly())
def test_whatever_follows_a_dead_replacement_the_lake_never_saw_it(
    publish: Callable[..., Any], base: Lake, drop: str, content: bytes, points: Sequence[str]
) -> None:
    undisturbed = copy_of(base, "undisturbed")
    outcome = follow(publish, undisturbed, drop, content)
    for point in points:
        lake = copy_of(base, point)
        with pytest.raises(Died):
            publish(lake, A, REPLACED, at={point: die})
        assert everything(lake) != everything(base)
        assert follow(publish, lake, drop, content) == outcome
        assert everything(lake) == everything(undisturbed), point


def follow(publish: Callable[..., Any], lake: Lake, drop: str, content: bytes) -> str:
    try:
        return publish(lake, drop, content).status
    except DropHeaderError:
        return "refused"


@pytest.mark.parametrize("content", [DIRTY, b"a | b\n1,2\n"], ids=["held", "refused"])
def test_a_first_landing_that_died_leaves_nothing_behind(
    publish: Callable[..., Any], tmp_path: Path, content: bytes, lake: Lake
) -> None:
    undisturbed = Lake(str(tmp_path / "undisturbed"))
    follow(publish, undisturbed, A, content)
    with pytest.raises(Died):
        publish(lake, A, REPLACED, at={"after_labels": die})
    follow(publish, lake, A, content)
    assert everything(lake) == everything(undisturbed)


def test_a_first_landing_that_died_being_held_leaves_nothing_behind(
    publish: Callable[..., Any], lake: Lake
) -> None:
    with pytest.raises(Died):
        publish(lake, A, DIRTY, at={"before_ledger": die})
    assert follow(publish, lake, A, b"a | b\n1,2\n") == "refused"
    assert not any(everything(lake).values())


def test_an_undoing_that_died_is_gone_on_with_and_done_once(
    publish: Callable[..., Any], base: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(base)
    with pytest.raises(Died):
        publish(base, A, REPLACED, at={"before_ledger": die})
    restore = Lake.restore

    def restore_and_die(self: Lake, *args: Any) -> None:
        restore(self, *args)
        die()

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "restore", restore_and_die)
        with pytest.raises(Died):
            undo_unfinished(base)
    undo_unfinished(base)
    assert everything(base) == before
    versions = [base.version(table) for table in (QUARANTINE, TRANSACTIONS)]
    undo_unfinished(base)
    assert [base.version(table) for table in (QUARANTINE, TRANSACTIONS)] == versions


def test_a_run_whose_commits_another_undid_does_not_mark_them(
    publish: Callable[..., Any], base: Lake
) -> None:
    with pytest.raises(Outage, match="one run at a time"):
        publish(base, A, REPLACED, at={"after_quarantine": lambda: undo_unfinished(base)})
    publish(base, A, REPLACED)
    assert_equals_oracle(base, oracle.clean_drops(BEFORE | {A: REPLACED}))


def test_vacuum_keeps_what_a_dead_run_is_undone_with(
    publish: Callable[..., Any], base: Lake
) -> None:
    before = everything(base)
    with pytest.raises(Died):
        publish(base, A, REPLACED, at={"before_ledger": die})
    _vacuum(base, cast("ModelRegistry", SimpleNamespace(versions=list)), retention_hours=0)
    undo_unfinished(base)
    assert everything(base) == before


def test_files_that_undoing_needs_and_that_are_gone_are_said(
    publish: Callable[..., Any], base: Lake
) -> None:
    with pytest.raises(Died):
        publish(base, A, REPLACED, at={"after_transactions": die})
    for path in Path(base.url, "quarantine", f"drop={A}").glob("*.parquet"):
        path.unlink()
    with pytest.raises(VersionGoneError, match="table quarantine: expected the files of version"):
        publish(base, A, REPLACED)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder's URL on a real S3 server, and on a real HDFS."""
    if request.param == "hdfs":
        return f"{request.getfixturevalue('hdfs').url}/{tmp_path.name}"
    request.getfixturevalue("s3_variables")
    return f"s3://{request.getfixturevalue('s3').make_bucket()}"


@pytest.mark.systems
@pytest.mark.parametrize(
    "place", ["s3", pytest.param("hdfs", marks=pytest.mark.slow)], indirect=True
)
def test_tables_go_back_and_replaced_raw_files_are_noticed_there_too(place: str) -> None:
    lake, raw_path = Lake(f"{place}/lake"), f"{place}/raw/{A}.txt"
    versions = set()
    for publication in ("before", "dead"):
        row: dict[str, object] = {
            "drop": A, "reason": publication, "reasons": [], "raw_line": b"x",
        }  # fmt: skip
        rows = pa.Table.from_pylist([row], schema=QUARANTINE.arrow_schema)
        metadata = {"drop": A, "run_id": "test", "publication": publication}
        lake.replace_arrow(QUARANTINE, rows, None, metadata)
        with lake.files.create(raw_path) as file:
            file.write(publication.encode().ljust(9))
        versions |= {lake.files.version(raw_path) for _ in range(2)}
    undo_unfinished(lake)
    assert lake.read_arrow(QUARANTINE)["reason"].to_pylist() == ["before"]
    assert len(versions) == 2
