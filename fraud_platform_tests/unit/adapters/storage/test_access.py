"""The options of storage clients, and the set-ups that are refused."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fraud_platform.adapters.storage import answers, probing
from fraud_platform.adapters.storage.access import S3Access
from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.adapters.storage.schemes import file_system
from fraud_platform.errors import SettingsError

VARIABLES = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "canary-secret",
}


def test_one_reading_of_the_variables_serves_three_clients() -> None:
    access = S3Access.from_variables(VARIABLES)
    delta, hadoop, fsspec = (
        access.delta_options(), access.hadoop_options(), access.fsspec_options()
    )  # fmt: skip
    assert {delta["aws_endpoint_url"], hadoop["fs.s3a.endpoint"],
            fsspec["client_kwargs"]["endpoint_url"]} == {"http://127.0.0.1:9000"}  # fmt: skip
    assert {delta["aws_secret_access_key"], hadoop["fs.s3a.secret.key"], fsspec["secret"]} == {
        "canary-secret"
    }
    assert {delta["aws_region"], hadoop["fs.s3a.endpoint.region"],
            fsspec["client_kwargs"]["region_name"]} == {"eu-west-1"}  # fmt: skip
    assert delta["aws_conditional_put"] == "etag"
    assert delta["allow_http"] == "true"


def test_without_keys_each_client_looks_for_its_own() -> None:
    access = S3Access.from_variables({})
    output = [access.delta_options(), access.hadoop_options(), access.fsspec_options()]
    assert not any("key" in name or "secret" in name for options in output for name in options)
    assert "IAMInstanceCredentialsProvider" in output[1]["fs.s3a.aws.credentials.provider"]


def test_a_secret_is_not_printed() -> None:
    access = S3Access.from_variables({**VARIABLES, "AWS_SESSION_TOKEN": "canary-token"})
    assert "canary" not in repr(access) + str(access)


def test_files_take_to_a_task_how_s3_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    packed = pickle.dumps(ByteFiles())
    for name in VARIABLES:
        monkeypatch.delenv(name)
    assert pickle.loads(packed)._access["s3"] == S3Access.from_variables(VARIABLES)


@pytest.mark.parametrize("variable", ["AWS_S3_ALLOW_UNSAFE_RENAME", "AWS_CONDITIONAL_PUT"])
def test_variables_by_which_a_commit_can_be_lost_are_refused(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: expected it unset"):
        S3Access.from_variables({**VARIABLES, variable: "disabled"})


def test_a_protocol_that_nothing_speaks_is_refused_with_those_that_are_spoken() -> None:
    with pytest.raises(SettingsError, match=r"fax://x: expected a local path or a protocol"):
        file_system("fax://x")


class Store:
    """Stands for an S3 server; a real one's answers are in the tests of systems."""

    def __init__(self, is_safe: bool) -> None:
        self.is_safe = is_safe
        self.keys: set[str] = set()

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str) -> None:  # noqa: N803 - boto3's names
        if self.is_safe and Key in self.keys:
            answer: Any = {"Error": {"Code": "PreconditionFailed"},
                           "ResponseMetadata": {"HTTPStatusCode": 412}}  # fmt: skip
            raise ClientError(answer, "PutObject")
        self.keys.add(Key)

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803 - boto3's names
        self.keys.discard(Key)


@pytest.mark.parametrize("is_safe", [True, False])
def test_a_server_that_takes_two_puts_of_one_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, is_safe: bool
) -> None:
    probing.forget()
    store = Store(is_safe)
    monkeypatch.setattr(answers, "s3_client", lambda access: store)
    if is_safe:
        probing.require_safe_commits("s3://bucket/lake")
    else:
        with pytest.raises(SettingsError, match="would lose its commit"):
            probing.require_safe_commits("s3://bucket/lake")
    assert store.keys == set()
    probing.forget()
