"""The warm Spark Connect server of this machine: one JVM that all runs share.

Here: its token, its configuration, its definition as a service.
Not here: starting and stopping services (`operations.services.laptop`), sessions on it
(`adapters.spark.connect`).
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.adapters.services.processes import HOST, Service
from fraud_platform.adapters.spark.code import code_archive, code_digest
from fraud_platform.adapters.spark.connect import CODE_KEY
from fraud_platform.adapters.spark.session import JAVA_OPTIONS, open_session, spark_conf
from fraud_platform.settings import Settings

NAME = "spark_server"
MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
_TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105 - the name of a variable


def service(settings: Settings) -> Service:
    """Return the server as a service; it accepts local connections that present its token."""
    folder, port = settings.home / "spark-server", settings.spark_server_port
    conf = folder / "spark.properties"
    environment = {
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": HOST,
        "SPARK_HOME": str(spark_home()),
    }

    def prepare() -> None:
        write_properties(conf, {**_conf(settings), "spark.connect.grpc.binding.port": str(port)})
        environment["PYTHONPATH"] = str(code_archive(settings.home / "spark-code").absolute())
        # In the environment, because other users can read a command line.
        environment[_TOKEN_VARIABLE] = _token(settings.spark_token or folder / "token")

    return Service(
        NAME, _command(settings, conf), port, environment=environment, scheme="sc",
        prepare=prepare, is_ready=lambda: _answers(settings), when_ready=lambda: _warm(settings),
    )  # fmt: skip


def spark_home() -> Path:
    """Return the folder of the pyspark package."""
    import pyspark

    return Path(pyspark.__file__).parent


def write_properties(path: Path, conf: Mapping[str, str]) -> None:
    """Write a Spark properties file; its folder is created if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {value}\n" for key, value in sorted(conf.items())))


def _conf(settings: Settings) -> dict[str, str]:
    return {
        **spark_conf(settings),
        "spark.master": settings.spark_url,
        "spark.connect.grpc.binding.address": HOST,
        # Runs of several hours and runs of seconds share the server.
        "spark.scheduler.mode": "FAIR",
        CODE_KEY: code_digest(),
    }


def _command(settings: Settings, conf: Path) -> tuple[str, ...]:
    """Return the command that spark-submit would run; calling it directly saves one JVM start."""
    memory = f"-Xmx{settings.spark_memory}"
    submit = ("org.apache.spark.deploy.SparkSubmit", "--properties-file", str(conf))
    return (
        find_java() or "java", memory, *JAVA_OPTIONS.split(), *open_modules(),
        "-cp", f"{spark_home()}/jars/*", *submit, "--class", MAIN_CLASS, "spark-internal",
    )  # fmt: skip


def open_modules() -> list[str]:
    """Return the JVM options of Spark's launcher that open Java's internal packages."""
    lang = ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")
    inner = ("util.concurrent", "util.concurrent.atomic")
    java = [f"java.base/java.{name}" for name in (*lang, *inner)]
    other = ["jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action",
             "sun.util.calendar"]  # fmt: skip
    opened = [*java, *(f"java.base/{name}" for name in other)]
    return [
        "-XX:+IgnoreUnrecognizedVMOptions",
        *(f"--add-opens={name}=ALL-UNNAMED" for name in opened),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
    ]


def _token(path: Path) -> str:
    """Return the server's token; it is created once, in a file that only its owner can read."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text().strip()


def _warm(settings: Settings) -> list[str]:
    """Run a query, so that the server loads its classes before the first real session."""
    session = open_session(settings)
    session.range(1000).selectExpr("sum(id)").collect()
    session.stop()
    return []


def _answers(settings: Settings) -> bool:
    from fraud_platform.adapters.spark.connect import is_answering

    return is_answering(f"sc://localhost:{settings.spark_server_port}", settings.spark_token)
