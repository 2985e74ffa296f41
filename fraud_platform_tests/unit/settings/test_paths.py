"""A path that some program would read otherwise is refused by name, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.adapters.kafka.broker_settings import _escaped
from fraud_platform.adapters.spark.session import quoted
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings, load_settings
from fraud_platform.settings.paths import require_usable

UTF8 = {"LANG": "C.UTF-8"}


@pytest.mark.parametrize("sign", list("%?#,:;\\*[]{}\"'`$&|<>!^\n\t\x7f"))
@pytest.mark.parametrize("place", ["/a{}b", "/{}", "/a/b {}c/d"])
def test_a_sign_that_a_program_reads_otherwise_is_refused(sign: str, place: str) -> None:
    with pytest.raises(ValueError, match="Choose another folder"):
        require_usable(place.replace("{}", sign), UTF8)


@pytest.mark.parametrize("path", ["/srv/fraud", "/home/a b/c", "/x/höme (2)@~+=x", "/d/雪_1-2.3"])
def test_a_path_that_every_program_can_use_is_taken(path: str) -> None:
    assert require_usable(path, UTF8) == path


@pytest.mark.parametrize("environ", [{}, {"LANG": "C"}, {"LC_ALL": "POSIX", "LANG": "C.UTF-8"}])
def test_other_letters_need_a_locale_in_which_java_can_name_them(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"LC_ALL=C\.UTF-8"):
        require_usable("/home/josé", environ)
    for value in ("de_DE.utf8", "en_US.UTF-8", "C.utf-8", "de_DE.UTF-8@euro"):
        assert require_usable("/home/josé", {"LC_ALL": value})


@pytest.mark.parametrize("path", ["/a /b", "/ a/b", "/a/b "])
def test_a_space_at_an_end_of_a_name_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="start or end"):
        require_usable(path, UTF8)


def test_settings_name_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_HOME", str(tmp_path / "50% off?"))
    with pytest.raises(SettingsError, match=r"FRAUD_HOME: .*% \(URLs.*\? \(URLs"):
        load_settings()
    with pytest.raises(ValueError, match="fragment"):
        Settings(home=tmp_path, lake_url=str(tmp_path / "a#b"))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="found a file"):
        Settings(home=tmp_path / "file")


def test_kafka_and_spark_get_a_path_as_they_spell_it() -> None:
    assert _escaped("/a b/é雪") == "/a b/\\u00e9\\u96ea"
    assert _escaped("a\\b😀") == "a\\\\b\\ud83d\\ude00"
    assert quoted("-XX:A=/a b/c") == '"-XX:A=/a b/c"'
