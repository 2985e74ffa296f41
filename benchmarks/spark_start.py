"""Start-up time of Spark for a run: on the warm server, and with its own `local[*]`.

Here: seconds from the start of a process to its first Spark result, contenders in turn, medians. A
process imports Spark, opens the platform's session and sums a column. One `local[*]` loads its
classes from the archive that `fetch-jars` creates, another from the jars.
Not here: the speed of Spark after its start (`benchmarks.features`), starting the server.

    python -m benchmarks.spark_start [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import markdown_table, write_section
from fraud_platform.adapters.services.processes import start, stop, wait_until_healthy
from fraud_platform.adapters.spark import server as spark_server
from fraud_platform.adapters.spark.classes import make_class_archive
from fraud_platform.settings import Settings, load_settings

CLIENT = """
import time
begun = time.perf_counter()
import sys
from fraud_platform.adapters.spark.session import JAVA_OPTIONS, open_session
from fraud_platform.settings import load_settings
jars_alone = {"spark.driver.extraJavaOptions": JAVA_OPTIONS} if sys.argv[1:] else None
spark = open_session(load_settings(), conf=jars_alone)
assert spark.range(1000).selectExpr("sum(id)").first()[0] == 499500
print(time.perf_counter() - begun, flush=True)
spark.stop()
"""


OWN, UNARCHIVED, WARM = "own local[*]", "own, no archive", "warm server"


def first_result(settings: Settings, *arguments: str) -> tuple[float, float]:
    """Return seconds to the first result, from the start of the process and of Python's code."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CLIENT, *arguments],
        env={**os.environ, **settings.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    inside = float(process.stdout.readline())
    whole = time.perf_counter() - begun
    assert process.wait(timeout=120) == 0
    return whole, inside


def measure(rounds: int, home: Path) -> dict[str, list[float]]:
    """Start all contenders in turn; return their seconds without the first round."""
    port = spark_server_port()
    (home / "jars").symlink_to(load_settings().jars)
    own = Settings(home=home, spark_url="local[*]")
    warm = Settings(home=home, spark_url="local[*]", spark_server=True, spark_server_port=port)
    make_class_archive(load_settings(), print)
    started = start(spark_server.service(warm), home / "run", home / "logs")
    contenders = ((OWN, own, ()), (UNARCHIVED, own, ("jars alone",)), (WARM, warm, ()))
    seconds: dict[str, list[float]] = {name: [] for name, *_ in contenders}
    try:
        wait_until_healthy(started, 120)
        for number in range(rounds + 1):
            for name, settings, arguments in contenders:
                whole, inside = first_result(settings, *arguments)
                print(f"{name:<15} {whole:6.2f} s, {inside:6.2f} s without Python's start")
                if number:
                    seconds[name].append(whole)
    finally:
        stop(started.record, home / "run")
        started.process.wait()
    return seconds


def spark_server_port() -> int:
    """Return a free port."""
    from fraud_platform.adapters.kafka.broker_settings import free_port

    return free_port()


def main() -> None:
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(arguments.rounds, Path(folder))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio, archived = (medians[OWN] / medians[WARM]), (medians[UNARCHIVED] / medians[OWN])
    rows = [
        [name, f"{medians[name]:.2f}", f"{min(values):.2f}", f"{max(values):.2f}"]
        for name, values in seconds.items()
    ]
    print(f"warm server: {ratio:.1f} times faster; class archive: {archived:.1f} times faster")
    write_section(
        "Spark's start",
        "`python -m benchmarks.spark_start`: seconds from the start of a run's process to its "
        f"first Spark result, {arguments.rounds} rounds in turn. The warm server is **{ratio:.1f} "
        f"times** faster than the run's own Spark, which its class archive makes {archived:.1f} "
        "times faster.\n\n" + markdown_table(["session", "median", "minimum", "maximum"], rows),
    )


if __name__ == "__main__":
    main()
