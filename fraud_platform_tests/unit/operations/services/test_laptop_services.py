"""Which services `up` starts here, and what they get."""

from __future__ import annotations

import re
from pathlib import Path

from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port


def test_services_listen_only_on_this_machine_and_get_the_settings(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, dagster_port=3111, mlflow_port=5111, seed=5)
    _, dagster, mlflow = laptop.services(settings)
    for service, port in ((dagster, 3111), (mlflow, 5111)):
        assert service.port == port
        assert service.command[-4:] == ("--host", "127.0.0.1", "--port", str(port))
        assert service.environment["FRAUD_HOME"] == str(tmp_path)
        assert service.environment["FRAUD_SEED"] == "5"
        assert service.environment["DAGSTER_HOME"] == str(tmp_path / "dagster")


def test_a_database_password_is_on_no_command_line(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        mlflow_storage_url="postgresql://me@db/mlflow",
        mlflow_storage_password="hush",
        dagster_storage_url="postgresql://me@db/dagster",
        dagster_storage_password="quiet",
    )
    _, dagster, mlflow = laptop.services(settings)
    assert "hush" in mlflow.environment["MLFLOW_BACKEND_STORE_URI"]
    assert "quiet" in dagster.environment["DAGSTER_STORAGE_URL"]
    assert not {"hush", "quiet"} & set(re.findall(r"\w+", str([dagster.command, mlflow.command])))


def test_an_mlflow_server_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mlflow_url="https://mlflow.example.org")
    assert [service.name for service in laptop.services(settings)] == ["kafka", "dagster"]


def test_a_kafka_cluster_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, kafka_bootstrap="a.example.org:9093,b.example.org:9093")
    assert [service.name for service in laptop.services(settings)] == ["dagster", "mlflow"]


def test_the_spark_server_is_a_service_with_its_token_on_no_command_line(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, spark_server=True, spark_server_port=free_port())
    server = {s.name: s for s in laptop.services(settings)}["spark_server"]
    assert not (tmp_path / "spark-server").exists(), "asking for services must write nothing"
    token = tmp_path / "spark-server" / "token"
    token.parent.mkdir()
    token.write_text("a-secret")
    assert "a-secret" not in " ".join(server.command)
    assert server.url == f"sc://127.0.0.1:{settings.spark_server_port}"
    dagster = {s.name: s for s in laptop.services(settings)}["dagster"]
    assert dagster.environment["FRAUD_SPARK_SERVER"] == "True"
    assert "spark_server" not in {s.name for s in laptop.services(Settings(home=tmp_path))}


def test_mlflow_is_named_by_its_page_of_model_training(tmp_path: Path) -> None:
    wanted = {service.name: service for service in laptop.services(Settings(home=tmp_path))}
    assert wanted["mlflow"].page == "/#/experiments?workflowType=machine_learning"
    assert wanted["dagster"].page == ""
