"""The declared schemes: which one a URL has, and what is local."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.adapters.jvm.s3_jars import S3_JARS
from fraud_platform.adapters.storage.schemes import (
    SCHEMES,
    create_once,
    local_path,
    scheme_of,
    spark_jars,
    table_url,
)
from fraud_platform.errors import SettingsError


def test_schemes_have_distinct_names_and_a_form_for_messages() -> None:
    names = [name for scheme in SCHEMES for name in (scheme.name, *scheme.misspelt)]
    assert len(set(names)) == len(names)
    assert all(scheme.form for scheme in SCHEMES)
    assert {"file", "s3", "hdfs"} <= set(names)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/lake", "/data/lake"),
        ("lake", "lake"),
        ("a:b/lake", "a:b/lake"),
        ("/data/what?#1", "/data/what?#1"),
        ("file:///data/lake", "/data/lake"),
        ("file:/data/lake", "/data/lake"),
        ("s3://bucket/lake", None),
        ("hdfs://host:8020/lake", None),
        ("memory://lake", None),
    ],
)
def test_what_is_on_this_machine_has_a_path(url: str, path: str | None) -> None:
    assert local_path(url) == (None if path is None else Path(path))
    assert table_url(url) == (path or url)


def test_spark_gets_the_jars_of_the_schemes_that_are_used() -> None:
    assert spark_jars(["/data", "s3://bucket/lake"]) == S3_JARS
    assert spark_jars(["/data", "hdfs://host:8020/lake"]) == {}


def test_a_scheme_that_is_not_declared_takes_no_commit() -> None:
    assert scheme_of("memory://lake").name == ""
    with pytest.raises(SettingsError, match="on which a file can be created exclusively"):
        create_once("memory://lake/0.json", b"x")
