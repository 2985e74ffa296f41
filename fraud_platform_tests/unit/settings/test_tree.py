"""Settings: what is wrong is listed at once, and secrets stay out of sight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fraud_platform.settings import Settings, load_settings, without_password
from fraud_platform_tests.testing.worlds.variables import problems_of


def test_each_reading_takes_the_environment_as_it_is_now(load: Callable[..., Settings]) -> None:
    """A process keeps no copy of its own, which tests and child processes would have to clear."""
    assert load(FRAUD_SEED="7").seed == 7
    assert load(FRAUD_SEED="8").seed == 8
    assert not hasattr(load_settings, "cache_clear")


def test_defaults_keep_all_state_in_one_folder(load: Callable[..., Settings]) -> None:
    settings = load()
    home = Path(".fraud_platform").absolute()
    assert settings.landing == str(home / "landing")
    assert settings.raw == str(home / "raw")
    assert settings.lake == str(home / "lake")
    assert settings.mlflow == f"sqlite:///{home}/mlflow/mlflow.db"
    assert (settings.dagster_home, settings.jars) == (home / "dagster", home / "jars")


def test_every_problem_is_listed_at_once(load: Callable[..., Settings]) -> None:
    """Single settings, unknown variables and contradictions, in one go."""
    found = problems_of(
        load,
        FRAUD_DAGSTER_PROT="3001",
        FRAUD_MLFLOW_PORT="80",
        FRAUD_SPARK_URL="spork://host",
        FRAUD_FIRST_DAY="2018-02-30",
        FRAUD_RAW_URL="/data",
        FRAUD_LAKE_URL="/data/lake",
        FRAUD_MIN_SCENARIO_RECALL="0.5",
        FRAUD_MAX_ALERTS_PER_DAY="0.5",
    )
    assert len(found) == 6
    for part in (
        "FRAUD_DAGSTER_PROT is not a setting; did you mean FRAUD_DAGSTER_PORT?",
        "FRAUD_MLFLOW_PORT: Input should be greater than or equal to 1024",
        "FRAUD_SPARK_URL: expected local[N]",
        "FRAUD_FIRST_DAY: ",
        "FRAUD_RAW_URL and FRAUD_LAKE_URL overlap (/data, /data/lake)",
        "FRAUD_MIN_SCENARIO_RECALL needs FRAUD_MAX_ALERTS_PER_DAY",
    ):
        assert any(part in problem for problem in found), (part, found)


def test_ports_and_topics_that_are_the_same_are_named(load: Callable[..., Settings]) -> None:
    found = problems_of(
        load,
        FRAUD_KAFKA_PORT="5000",
        FRAUD_LABELS_TOPIC="transactions",
        FRAUD_KAFKA_BOOTSTRAP="localhost",
    )
    assert "FRAUD_MLFLOW_PORT and FRAUD_KAFKA_PORT are both 5000" in found
    assert "FRAUD_TRANSACTIONS_TOPIC and FRAUD_LABELS_TOPIC are both transactions" in found
    assert any(problem.startswith("FRAUD_KAFKA_BOOTSTRAP: ") for problem in found)


def test_kafka_is_the_embedded_broker_unless_a_cluster_is_named(
    load: Callable[..., Settings],
) -> None:
    assert load(FRAUD_KAFKA_PORT="9999").kafka == "127.0.0.1:9999"
    assert load(FRAUD_KAFKA_BOOTSTRAP="a:1,b:2").kafka == "a:1,b:2"


@pytest.mark.parametrize(
    ("landing", "raw"),
    [
        ("/data/drops", "/data/drops"),
        ("/data/drops/", "file:///data/drops"),
        ("/data", "/data/raw"),
        ("s3://bucket/in", "s3://bucket/in/raw/"),
        ("x/../drops", "drops/raw"),
    ],
)
def test_zones_that_lie_in_one_another_are_refused(
    load: Callable[..., Settings], landing: str, raw: str
) -> None:
    found = problems_of(load, FRAUD_LANDING_URL=landing, FRAUD_RAW_URL=raw)
    assert len(found) == 1
    assert found[0].startswith("FRAUD_LANDING_URL and FRAUD_RAW_URL overlap")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3a://bucket/lake", "write s3://"),
        ("webhdfs://nn:9870/lake", "write hdfs://"),
        (
            "gs://bucket/lake",
            "found gs://; with other schemes, concurrent writers could lose a commit",
        ),
    ],
)
def test_storage_on_which_a_commit_could_be_lost_is_refused(
    load: Callable[..., Settings], url: str, words: str
) -> None:
    found = problems_of(load, FRAUD_LAKE_URL=url)
    assert len(found) == 1
    assert words in found[0]


def test_zones_with_a_common_beginning_of_their_names_are_fine(
    load: Callable[..., Settings],
) -> None:
    settings = load(FRAUD_LANDING_URL="/data/drops", FRAUD_RAW_URL="/data/drops-raw")
    assert (settings.landing, settings.raw) == ("/data/drops", "/data/drops-raw")


def test_one_port_for_two_services_is_refused(load: Callable[..., Settings]) -> None:
    assert problems_of(load, FRAUD_DAGSTER_PORT="5000") == [
        "FRAUD_DAGSTER_PORT and FRAUD_MLFLOW_PORT are both 5000"
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FRAUD_SPARK_MEMORY", "lots"),
        ("FRAUD_SPARK_URL", "local[two]"),
        ("FRAUD_FIRST_DAY", "20180401"),
        ("FRAUD_MAX_QUARANTINED_SHARE", "1.5"),
        ("FRAUD_ESTIMATOR", "oracle"),
        ("FRAUD_TRAINING_DAYS", "6"),
        ("FRAUD_PROMOTION_MODE", "maybe"),
    ],
)
def test_a_value_outside_its_range_names_its_variable(
    load: Callable[..., Settings], variable: str, value: str
) -> None:
    found = problems_of(load, **{variable: value})
    assert len(found) == 1
    assert found[0].startswith(f"{variable}: ")


@pytest.mark.parametrize("url", ["local", "local[4]", "local[*]", "sc://localhost:15002", "yarn"])
def test_spark_urls_of_every_kind_are_taken(load: Callable[..., Settings], url: str) -> None:
    assert load(FRAUD_SPARK_URL=url).spark_url == url


def test_an_unknown_variable_without_a_close_setting_is_named_too(
    load: Callable[..., Settings],
) -> None:
    assert problems_of(load, FRAUD_XYZZY="1") == ["FRAUD_XYZZY is not a setting"]


def test_variables_of_tests_and_services_are_no_settings_and_no_errors(
    load: Callable[..., Settings],
) -> None:
    load(FRAUD_REAL_DROPS="/drops", FRAUD_KILL_AT="", FRAUD_SERVICE_TOKEN="x", OTHER="y")


def test_a_password_in_a_url_is_refused_unprinted(load: Callable[..., Settings]) -> None:
    found = problems_of(
        load,
        FRAUD_MLFLOW_URL="https://me:hush@mlflow.example.org",
        FRAUD_RAW_URL="s3://key:hush@bucket/a",
        FRAUD_LAKE_URL="s3://key:hush@bucket/a/b",
    )
    assert "hush" not in str(found)
    assert any(p.startswith("FRAUD_MLFLOW_URL holds a password (https://me:***@") for p in found)
    assert any(p.startswith("FRAUD_RAW_URL holds a password (s3://key:***@") for p in found)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@db/x", "postgresql://me:***@db/x"),
        ("postgresql://:hush@db/x", "postgresql://:***@db/x"),
        ("http://db:5000/a@b", "http://db:5000/a@b"),
        ("/a:b@c", "/a:b@c"),
    ],
)
def test_only_a_password_is_hidden_in_a_url(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_another_process_gets_the_same_settings_wherever_it_starts(
    load: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = load(FRAUD_HOME="state", FRAUD_LANDING_URL="drops", FRAUD_SEED="7")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    there = load(**here.environment)
    for name in ("landing", "raw", "lake", "mlflow", "dagster_home", "seed"):
        assert getattr(there, name) == getattr(here, name)
    assert here.landing == str(tmp_path / "drops")
