"""Every name that a docstring or a page uses exists.

Here: modules, definitions, files, commands, settings, make targets, tables, assets and columns, as
they stand in backticks; commands and settings also in the messages of the code.
Not here: how a name is resolved (`fraud_platform_tests.testing.repository_names`), whether pages
that are generated are up to date (`unit.test_docs`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraud_platform.settings import OTHER_VARIABLES, PREFIX, Settings
from fraud_platform.settings.secrets import FILE_SUFFIX, variable
from fraud_platform_tests.testing.extended_code import created_files
from fraud_platform_tests.testing.repository_names import (
    ROOT,
    Text,
    command_problem,
    is_path_there,
    messages,
    repository,
    texts,
)

OUTSIDE = {
    *("make", "chown", "pg_dump"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION"),
    *("AWS_ENDPOINT_URL", "HADOOP_USER_NAME", "HADOOP_CONF_DIR", "MLFLOW_SERVER_ALLOWED_HOSTS"),
    *("default.replication.factor", "min.insync.replicas", "offsets.retention.minutes"),
    *("retention.ms", "max.message.bytes", "read_committed", "_TRANSPORT", "server.properties"),
    *("mapInArrow", "pyplot", "with", "Host", "localhost", "local", "get_train_test_set"),
    *("sparkContext", "_jvm", "spark.jars.packages", "mapInPandas", "addArtifacts", "Observation"),
    *("auto.offset.reset", "error", "EnvVar"),
    *("m6g.xlarge", "EMR_DefaultRole", "EMR_EC2_DefaultRole", "dagster.yaml", "fraud", "a_b"),
    *("delay", "bin/python", "NaN", "inf"),
}
"""Words of other systems, and of a server's machine, that nothing here defines."""

GENERATED = {ROOT / "docs" / "features.md", ROOT / "docs" / "settings.md"}
"""Pages made from code; `unit.test_docs` compares them with it."""

_COMMAND = re.compile(
    r"(?<![\w/.-])(?<!another )fraud-platform +((?:[a-z][a-z-]+|--?[a-z-]+)[^`;:,.()\n]*)"
)
_SETTING = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]+\b(?!<)")
_PATH = re.compile(r"\.?[\w*-][\w./*-]*(/[\w./*-]*|\.(md|py|toml|ya?ml|txt|env|service))")
_SHOWN_TARGET = re.compile(r"^ {4}make (?:-C \S+ )?([a-z][a-z-]*)", re.MULTILINE)
_FILE = re.compile(
    r"(?<![\w./-])(?:docs|fraud_platform|benchmarks|deploy|findings)/[\w/*.-]*\.[a-z]+\b"
)
_DATE = re.compile(r"YYYY|\d{4}-\d{2}-\d{2}")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_ELSEWHERE = (
    *(".fraud_platform", ".venv", "FRAUD_HOME"),
    *("dagster/", "logs/", "lake/", "mlflow/", "spark-code/", "tmp/", "transactions/"),
)
"""Folders that are made while the platform runs: in FRAUD_HOME, and in the lake."""


def unresolved(text: Text) -> list[str]:
    """Return the names in a text's backticks that refer to nothing."""
    return [
        f"{text.place}: `{quoted}`"
        for quoted in text.quoted()
        if quoted.removesuffix("()") not in OUTSIDE and not is_known(quoted, text)
    ]


def is_known(quoted: str, text: Text) -> bool:
    """Return whether a quoted text exists, for any kind of name."""
    first, _, rest = quoted.partition(" ")
    if first == "make" and rest:
        return rest.split()[0] in make_targets() | {"-C"}
    if _DATE.match(quoted) or quoted.startswith(PREFIX):
        return True  # a form, or a setting, which a test of its own looks at
    if re.fullmatch(_PATH, quoted) and "://" not in quoted and ".." not in quoted:
        is_elsewhere = quoted.startswith(_ELSEWHERE) or quoted in created_files()
        return is_elsewhere or is_path_there(quoted, text)
    if rest.startswith("--") and first.islower() and first not in ("python", "pip", "git"):
        return command_problem(quoted.removeprefix("fraud-platform ").split()) is None
    return repository().resolves(quoted, text)


def make_targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    return set(phony[1].split())


def settings_and_other_variables() -> set[str]:
    names = {variable(name) for name in Settings.model_fields} | set(OTHER_VARIABLES)
    return names | {name + FILE_SUFFIX for name in names}


def is_group(name: str, known: set[str]) -> bool:
    """Return whether a name is how several settings begin."""
    return sum(each.startswith(name.rstrip("_") + "_") for each in known) > 1


def test_every_name_in_backticks_exists() -> None:
    stale = [name for text in texts() if text.path not in GENERATED for name in unresolved(text)]
    assert not stale, "\n".join(stale)


def test_every_command_in_text_and_messages_exists() -> None:
    stale = []
    for text in (*texts(), *messages()):
        for line in _COMMAND.findall(text.words):
            words = line.split(" #")[0].split("'")[0].split()
            problem = command_problem(words)
            if problem:
                stale.append(f"{text.place}: fraud-platform {line}: {problem}")
    assert not stale, "\n".join(stale)


def test_every_setting_in_text_messages_and_units_exists() -> None:
    known = settings_and_other_variables()
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "deploy").rglob("*")]
    units = [Text(str(p), p.read_text(), p) for p in files if p.is_file()]
    stale = [
        f"{text.place}: {name}"
        for text in (*texts(), *messages(), *units)
        for name in _SETTING.findall(text.words)
        if name not in known and not is_group(name, known)
    ]
    assert not stale, "\n".join(stale)


def test_every_make_target_and_file_in_a_shown_command_or_message_exists() -> None:
    targets = make_targets()
    stale = [
        f"{text.place}: make {target}"
        for text in texts()
        for target in _SHOWN_TARGET.findall(text.words)
        if target not in targets
    ]
    stale += [
        f"{text.place}: {path}"
        for text in (*texts(), *messages())
        for path in _FILE.findall(text.words)
        if not any(ROOT.glob(path)) and path not in created_files()
    ]
    assert not stale, "\n".join(stale)


def test_every_link_of_a_page_leads_to_a_file() -> None:
    stale = [
        f"{text.place}: {target}"
        for text in texts()
        if text.module is None
        for target in _LINK.findall(text.words)
        if "://" not in target and not (text.path.parent / target).exists()
    ]
    assert not stale, "\n".join(stale)


@pytest.mark.parametrize(
    "stale",
    [
        "measures",
        "features.measures",
        "load_state",
        "scoring.recovery.load_state",
        "fraud_platform.no_such_module",
        "docs/no_such_page.md",
        "fraud_platform/features/no_such_module.py",
        "make no-such-target",
        "score --no-such-option",
        "no_such_table",
        "numpy.no_such_function",
    ],
)
def test_a_name_that_does_not_exist_is_found(stale: str) -> None:
    package = repository().modules["fraud_platform.features"]
    text = Text("here", f"About `{stale}` and `features.compute.kernel`.", package.path, package)
    assert unresolved(text) == [f"here: `{stale}`"]


@pytest.mark.parametrize(
    "name",
    [
        "compute",
        "features.compute.kernel",
        "contracts.knowledge_week.KnowledgeWeek.train_end",
        "scored",
        "tx_datetime",
        "FRAUD_HOME",
        "not_enough_evidence",
        "docs/settings.md",
        "make demo",
        "score --follow",
        "np.lexsort",
    ],
)
def test_a_name_that_exists_is_accepted(name: str) -> None:
    package = repository().modules["fraud_platform.features"]
    assert unresolved(Text("here", f"`{name}`", package.path, package)) == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert command_problem(["no-such-command"]) == "no command no-such-command"
    assert command_problem(["score", "--no-such-option"]) == "score: no option --no-such-option"
    assert command_problem(["bench", "quality", "--drops", "DIR"]) is None


def test_each_task_of_a_newcomer_names_a_file_and_what_to_change_in_it() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tasks = re.findall(
        r"^\| (?:add|change) [^|]+\| `([^`]+)`(?: \(([^)]+)\))? \|", text, re.MULTILINE
    )
    assert len(tasks) == 10
    for file, names in tasks:
        dotted = ".".join(Path(file).with_suffix("").parts)
        module = repository().modules[dotted]
        assert set(re.findall(r"`(\w+)`", names)) <= module.definitions, file


def test_the_pages_are_read() -> None:
    places = {text.path for text in texts() if text.module is None}
    assert places >= {ROOT / "README.md", ROOT / "docs" / "kafka.md"}
    assert Path(__file__) in {text.path for text in texts()}


def test_targets_and_files_are_found_where_they_stand() -> None:
    assert _SHOWN_TARGET.findall("Run\n\n    make -C /opt/x no-such-target\n") == ["no-such-target"]
    assert _FILE.findall("see docs/no_such_page.md, not /x/docs/page.md") == [
        "docs/no_such_page.md"
    ]
