"""Secrets come from a variable or a file, and are printed by nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from fraud_platform.errors import SettingsError
from fraud_platform.operations.services import server as server_layout
from fraud_platform.settings import Settings
from fraud_platform.settings.secrets import secret_names, variable
from fraud_platform_tests.testing.worlds.variables import problems_of

SECRETS = secret_names(Settings.model_fields)


def test_every_setting_that_sounds_like_a_secret_is_one() -> None:
    words = ("password", "secret", "token", "private")
    alike = {name for name in Settings.model_fields if any(word in name for word in words)}
    alike -= {name for name in alike if name.endswith("_file")}  # these say where a secret lies
    assert alike - set(SECRETS) == set()
    assert {"dagster_storage_password", "mlflow_storage_password", "mlflow_password"} <= set(
        SECRETS
    )


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_its_variable_or_its_file(
    load: Callable[..., Settings], tmp_path: Path, name: str, by_file: bool
) -> None:
    secret, path = "a canary/with:odd@signs", tmp_path / "secret"
    path.write_text(f"{secret}\n")
    given = {f"{variable(name)}_FILE": str(path)} if by_file else {variable(name): secret}
    settings = load(**given)
    assert getattr(settings, name) == SecretStr(secret)
    assert "canary" not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_given_twice_is_refused_with_both_names(
    load: Callable[..., Settings], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "secret"
    path.write_text("hush")
    found = problems_of(load, **{variable(name): "hush", f"{variable(name)}_FILE": str(path)})
    both = f"{variable(name)} and {variable(name)}_FILE"
    assert found == [f"{both} are both set; keep one of them"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "expected one line, the secret"),
        (b"\n", "expected one line, the secret"),
        (b"hush\nhush\n", "expected one line, the secret"),
        (b"hush\xff", "is not UTF-8 text"),
    ],
)
def test_a_secret_file_that_cannot_be_one_is_named_without_its_content(
    load: Callable[..., Settings], tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    found = problems_of(load, FRAUD_MLFLOW_PASSWORD_FILE=str(path), FRAUD_SEED="many")
    assert len(found) == 2, found
    assert found[0].startswith(f"FRAUD_MLFLOW_PASSWORD_FILE: {path}")
    assert words in found[0]
    assert "hush" not in str(found)


def test_only_a_secret_has_a_file(load: Callable[..., Settings]) -> None:
    found = problems_of(load, FRAUD_SEED_FILE="/x")
    assert found[0].startswith("FRAUD_SEED_FILE is not a setting")


def test_another_process_reads_the_same_secrets(
    load: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("from a file\n")
    here = load(
        FRAUD_MLFLOW_PASSWORD_FILE="secret", FRAUD_MLFLOW_STORAGE_PASSWORD="from a variable"
    )
    assert "from a file" not in str(here.environment)
    monkeypatch.chdir("/")
    monkeypatch.delenv("FRAUD_MLFLOW_PASSWORD_FILE")
    there = load(**here.environment)
    for name in ("mlflow_password", "mlflow_storage_password"):
        assert getattr(there, name) == getattr(here, name)


@pytest.mark.parametrize("name", ["FRAUD_DAGSTER_STORAGE_URL", "FRAUD_MLFLOW_STORAGE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@db/dagster",
        "postgresql://me@db/dagster?password=hush",
        "postgresql://db/dagster",
        "postgresql://me@db",
        "mysql://me@db/dagster",
    ],
)
def test_a_database_is_named_by_user_host_and_name_without_its_password(
    load: Callable[..., Settings], url: str, name: str
) -> None:
    found = problems_of(load, **{name: url})
    assert len(found) == 1, found
    assert found[0].startswith(f"{name}: expected postgresql://user@host:port/database")
    assert "hush" not in found[0]


def test_a_settings_object_made_of_a_bad_secret_says_nothing_of_it() -> None:
    with pytest.raises(ValueError, match="mlflow_password") as caught:
        Settings(mlflow_password=["hush"])
    assert "hush" not in str(caught.value)


def test_an_mlflow_server_with_a_database_is_what_the_platform_talks_to() -> None:
    settings = Settings(mlflow_storage_url="postgresql://me@db/mlflow", mlflow_port=5005)
    assert settings.mlflow == "http://127.0.0.1:5005"
    with pytest.raises(SettingsError, match="FRAUD_MLFLOW_STORAGE_URL"):
        server_layout.mlflow(Settings())
