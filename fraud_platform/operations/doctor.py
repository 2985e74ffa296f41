"""Checks of this machine and its settings: one line for each finding, with the remedy.

Here: the checks of `fraud-platform doctor`.
Not here: rules between settings (`fraud_platform.settings`), repairs; only missing jars are
fetched.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import fraud_platform
from fraud_platform.adapters.jvm.java import find_java, java_problem, java_version
from fraud_platform.adapters.services.processes import Service, port_owner, read_records
from fraud_platform.contracts.time import MINUTES_PER_DAY
from fraud_platform.errors import DataError, FraudPlatformError, Outage, SettingsError
from fraud_platform.operations.services.laptop import run_folder, services
from fraud_platform.settings import Settings

PYTHON = (3, 11)
MIN_DISK_GB, WANTED_DISK_GB = 1, 5
OVERHEAD_GB = 3
"""Memory needed in addition to Spark's driver: the run's Python, the services, the system."""
WANTED_OFFSETS_MINUTES = 90 * MINUTES_PER_DAY
"""The offsets of the consumer group record what is published, so they must survive quiet weeks."""
_OFFSETS_RETENTION = "offsets.retention.minutes"

CONSTRAINTS = Path(fraud_platform.__file__).parent.parent / "constraints.txt"


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check: its subject, what was found, and the remedy if one is needed."""

    subject: str
    level: Level
    message: str

    @property
    def ok(self) -> bool:
        """Whether the platform can run in spite of it; a warning does not prevent that."""
        return self.level is not Level.PROBLEM

    def __str__(self) -> str:
        return f"{self.level:<8} {self.subject}: {self.message}"


def diagnose(settings: Settings) -> list[Finding]:
    """Check everything that the platform needs from this machine.

    Missing jars are fetched, because only an attempt shows whether they can be.
    """
    java = check_java()
    return [
        check_python(sys.version_info[:2]),
        java,
        check_home(settings),
        check_disk(settings),
        check_memory(settings),
        *(check_port(settings, service) for service in services(settings)),
        *check_databases(settings),
        *check_storage(settings),
        *check_tables(settings),
        *check_kafka(settings),
        *check_champion(settings),
        *check_stream_time(settings),
        check_jars(settings, has_java=java.ok),
        check_packages(CONSTRAINTS),
    ]


def check_python(found: tuple[int, ...]) -> Finding:
    """Check the version of the running Python."""
    words = ".".join(map(str, found))
    if found == PYTHON:
        return Finding("Python", Level.OK, words)
    return Finding(
        "Python",
        Level.PROBLEM,
        f"expected 3.11, found {words}. Remove .venv and run make PYTHON=path-of-python3.11 test.",
    )


def check_java() -> Finding:
    """Check the Java that Spark would start."""
    if problem := java_problem():
        return Finding("Java", Level.PROBLEM, problem)
    java = find_java() or ""
    return Finding("Java", Level.OK, f"{java_version(java)} ({java})")


def check_home(settings: Settings) -> Finding:
    """Check that the folder of all local state is writable."""
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return Finding("State", Level.OK, str(home))
    except OSError as error:
        return Finding(
            "State",
            Level.PROBLEM,
            f"expected to write in {home}, found: {error.strerror}. "
            "Give this user the folder, or set FRAUD_HOME to another one.",
        )


def check_disk(settings: Settings) -> Finding:
    """Check the free disk space for the local state."""
    home = settings.home
    folder = next(path for path in (home, *home.parents) if path.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb >= WANTED_DISK_GB:
        return Finding("Disk", Level.OK, f"{free_gb:.0f} GB free")
    level = Level.WARNING if free_gb >= MIN_DISK_GB else Level.PROBLEM
    return Finding(
        "Disk",
        level,
        f"expected {WANTED_DISK_GB} GB free at {folder}, found {free_gb:.1f} GB. "
        "Free some space, or set FRAUD_HOME to a folder on another disk.",
    )


def check_memory(settings: Settings) -> Finding:
    """Check the machine's memory against the needs of Spark's driver and the other processes."""
    import psutil

    amount, unit = settings.spark_memory[:-1], settings.spark_memory[-1]
    spark_gb = int(amount) * {"g": 1.0, "m": 1 / 1024}[unit]
    wanted_gb, total_gb = spark_gb + OVERHEAD_GB, psutil.virtual_memory().total / 2**30
    if total_gb >= wanted_gb:
        return Finding("Memory", Level.OK, f"{total_gb:.0f} GiB")
    return Finding(
        "Memory",
        Level.WARNING,
        f"expected {wanted_gb:.0f} GiB (Spark's {settings.spark_memory} and {OVERHEAD_GB} for "
        f"the rest), found {total_gb:.1f} GiB. Set FRAUD_SPARK_MEMORY lower, for example to 2g.",
    )


def check_port(settings: Settings, service: Service) -> Finding:
    """Check that a service's port is free, or used by that service itself."""
    subject = f"Port {service.port}"
    owner = port_owner(service.port)
    if owner is None:
        return Finding(subject, Level.OK, f"free for {service.name}")
    running = [r for r in read_records(run_folder(settings)) if r.name == service.name]
    if running and running[0].port == service.port:
        return Finding(subject, Level.OK, f"{service.name} runs there ({running[0].url})")
    return Finding(
        subject,
        Level.PROBLEM,
        f"expected it free for {service.name}, found it taken by {owner}. "
        f"Stop that, or set FRAUD_{service.name.upper()}_PORT to another port.",
    )


def check_databases(settings: Settings) -> list[Finding]:
    """Check the login to the databases of a server, if the settings name any."""
    from fraud_platform.adapters.services.postgres import require_postgres

    named = {
        "Dagster's database": ("FRAUD_DAGSTER_STORAGE", "dagster_storage"),
        "MLflow's database": ("FRAUD_MLFLOW_STORAGE", "mlflow_storage"),
    }
    findings = []
    for subject, (variables, field) in named.items():
        url = getattr(settings, f"{field}_url")
        if url is None:
            continue
        try:
            require_postgres(variables, url, getattr(settings, f"{field}_password"))
            findings.append(Finding(subject, Level.OK, url))
        except (Outage, SettingsError) as error:
            findings.append(Finding(subject, Level.PROBLEM, str(error)))
    return findings


def check_storage(settings: Settings) -> list[Finding]:
    """Check access to each storage that is not local, if a setting names one."""
    from fraud_platform.adapters.storage.probing import require_storage
    from fraud_platform.adapters.storage.schemes import local_path

    findings = []
    for subject, url in {
        "Landing": settings.landing, "Raw zone": settings.raw, "Lake": settings.lake,
        "Artifacts": settings.artifacts,
    }.items():  # fmt: skip
        if local_path(url) is not None:
            continue
        try:
            require_storage(url)
            findings.append(Finding(subject, Level.OK, url))
        except (Outage, SettingsError) as error:
            findings.append(Finding(subject, Level.PROBLEM, str(error)))
    return findings


def check_tables(settings: Settings) -> list[Finding]:
    """Check that each table of the lake is readable and holds no row twice."""
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.tables.catalog import ALL_TABLES

    lake, findings, found = Lake(settings.lake), [], 0
    for table in ALL_TABLES:
        try:
            found += lake.open(table) is not None
            lake.require_unique(table)
        except (DataError, Outage, SettingsError) as error:
            findings.append(Finding(f"Table {table.name}", Level.PROBLEM, str(error)))
    if findings or not found:
        return findings
    return [Finding("Tables", Level.OK, f"{found} in {settings.lake}, each row once")]


def check_kafka(settings: Settings) -> list[Finding]:
    """Check access to an external cluster, and how long it keeps a consumer group's offsets."""
    from fraud_platform.adapters.kafka.connection import KafkaConnection
    from fraud_platform.adapters.kafka.topics import Topics, topics_dated_by_producers

    if settings.kafka_bootstrap is None:
        return []
    try:
        topics = Topics(KafkaConnection.from_settings(settings))
        with closing(topics):
            found = topics.broker_setting(_OFFSETS_RETENTION)
            by_producers = topics_dated_by_producers(settings, topics)
    except FraudPlatformError as error:
        return [Finding("Kafka", Level.PROBLEM, str(error))]
    dated = [Finding("Kafka", Level.WARNING, words) for words in by_producers]
    if found is None or int(found) >= WANTED_OFFSETS_MINUTES:
        return dated or [Finding("Kafka", Level.OK, settings.kafka_bootstrap)]
    return [
        *dated,
        Finding(
            "Kafka",
            Level.WARNING,
            f"expected {_OFFSETS_RETENTION} of at least {WANTED_OFFSETS_MINUTES} on the brokers, "
            f"found {found}. After that time without a message the last predictions are sent "
            "twice: raise it (docs/kafka.md).",
        ),
    ]


def check_champion(settings: Settings) -> list[Finding]:
    """Compare the registry's champion with the promotion history, if it has a decision."""
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.operations.models.champion import COMMAND, find_champion
    from fraud_platform.operations.models.decisions import read_history
    from fraud_platform.operations.models.registry import registry_of

    try:
        lake, registry = Lake(settings.lake), registry_of(settings)
        if not read_history(lake):
            return []
        champion = find_champion(lake, registry)
        is_deleted = registry.is_experiment_deleted()
    except FraudPlatformError as error:
        return [Finding("Champion", Level.WARNING, str(error))]
    if not champion.is_fine:
        return [Finding("Champion", Level.PROBLEM, champion.words)]
    if is_deleted:
        words = (
            f"{champion.words}; but MLflow's experiment was deleted, so no candidate can be "
            f"trained. Run `{COMMAND}`, which restores it."
        )
        return [Finding("Champion", Level.PROBLEM, words)]
    return [Finding("Champion", Level.OK, champion.words)]


def check_stream_time(settings: Settings) -> list[Finding]:
    """Check whether wrong dates have moved stream time ahead of the rows that were scored."""
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.operations.live.stream_time import stream_time_problem

    try:
        problem = stream_time_problem(Lake(settings.lake))
    except FraudPlatformError as error:
        problem = str(error)
    return [Finding("Stream time", Level.WARNING, problem)] if problem else []


def wanted_jars(settings: Settings) -> list[tuple[Path, dict[str, tuple[str, str]]]]:
    """Return folders with the jars that these settings need in them."""
    from fraud_platform.adapters.jvm.jars import SPARK_JARS
    from fraud_platform.adapters.jvm.kafka_jars import KAFKA_JARS
    from fraud_platform.adapters.kafka.broker import jars_folder
    from fraud_platform.adapters.storage.schemes import spark_jars

    sets = [(settings.jars, SPARK_JARS | spark_jars(settings.spark_locations))]
    if settings.kafka_bootstrap is None:
        sets.append((jars_folder(settings.jars), KAFKA_JARS))
    return sets


def check_jars(settings: Settings, *, has_java: bool) -> Finding:
    """Check that the jars exist, and fetch missing ones."""
    from fraud_platform.adapters.jvm.jars import fetch_jars, missing_jars

    sets = wanted_jars(settings)
    missing = [name for folder, jars in sets for name in missing_jars(folder, jars)]
    if not missing:
        return Finding("Jars", Level.OK, str(settings.jars))
    if not has_java:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        return Finding("Jars", Level.PROBLEM, f"{names} cannot be fetched without Java.")
    try:
        for folder, jars in sets:
            fetch_jars(folder, jars)
    except (Outage, OSError) as error:
        return Finding("Jars", Level.PROBLEM, str(error).splitlines()[0])
    return Finding("Jars", Level.OK, f"fetched to {settings.jars}")


def check_packages(constraints: Path) -> Finding:
    """Compare the installed packages with the versions that the platform is tested with."""
    if not constraints.exists():
        return Finding("Packages", Level.WARNING, f"expected {constraints}, found no such file.")
    differing = []
    for line in constraints.read_text().splitlines():
        if match := re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()):
            name, pinned = match.groups()
            try:
                found = metadata.version(name)
            except metadata.PackageNotFoundError:
                found = "none"
            if found != pinned:
                differing.append(f"{name} {found} instead of {pinned}")
    if not differing:
        return Finding("Packages", Level.OK, "as in constraints.txt")
    shown = ", ".join(differing[:3]) + (", ..." if len(differing) > 3 else "")
    return Finding(
        "Packages",
        Level.WARNING,
        f"{len(differing)} differ from constraints.txt: {shown}. "
        "Run: pip install -c constraints.txt -e '.[test]'",
    )
