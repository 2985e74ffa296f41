"""Clusters on this machine: a real master and real workers, each a process.

Here: starting them, asking the master who is there, ending them with all they started.
Not here: processes in general (`adapters.services.processes`).

Every process carries the cluster's name in its environment, which executors and their Python
inherit; so a cluster is found and ended whatever became of the process that made it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.adapters.kafka.broker import free_port
from fraud_platform.adapters.services.processes import HOST, TOKEN_VARIABLE, environment_of, members
from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize
from fraud_platform.adapters.spark.server import open_modules, spark_home
from fraud_platform.errors import ClusterError

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
MASTER_SECONDS, POLITE_SECONDS, KILL_SECONDS = 60.0, 5.0, 10.0
_POLL_SECONDS, _ANSWER_SECONDS = 0.1, 2.0
_PLACE = "cluster.json"


class StandaloneProvider:
    """Runs clusters below one folder."""

    name = "standalone"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Start a master, and its workers once it listens: one that came first waits 10 s."""
        folder = self._folder / cluster_id
        folder.mkdir(parents=True, exist_ok=True)
        port, web_port = free_port(), free_port()
        (folder / _PLACE).write_text(json.dumps({"port": port, "web_port": web_port}))
        master = self._start(
            cluster_id, "master", _MASTER, "--port", str(port), "--webui-port", str(web_port)
        )
        deadline = time.monotonic() + MASTER_SECONDS
        while self._master(cluster_id) is None:
            if master.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(
                    f"{cluster_id}: expected a master on {HOST}:{port} within {MASTER_SECONDS:.0f} "
                    f"s, found none. Its log is {folder / 'master.log'}."
                )
            time.sleep(_POLL_SECONDS)
        for number in range(size.workers):
            self._start(
                cluster_id, f"worker-{number}", _WORKER, "--port", "0", "--webui-port", "0",
                "--cores", str(size.cores_per_worker), "--memory", size.worker_memory,
                "--work-dir", str(folder / "work"), f"spark://{HOST}:{port}",
            )  # fmt: skip

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        """Ask the master how many workers it has."""
        if not members(cluster_id):
            raise ClusterError(
                f"{cluster_id}: expected a master and {size.workers} workers, found that they "
                f"ended. Their logs are in {self._folder / cluster_id}."
            )
        found = self._master(cluster_id)
        alive = -1 if found is None else int(str(found["aliveworkers"]))
        if alive < size.workers:
            return f"{max(alive, 0)} of {size.workers} workers (logs: {self._folder / cluster_id})"
        return Cluster(cluster_id, f"spark://{HOST}:{self._place(cluster_id)['port']}")

    def delete(self, cluster_id: str) -> None:
        """Ask its processes to end, kill those that do not, remove its files."""
        for number, seconds in ((signal.SIGTERM, POLITE_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            deadline = time.monotonic() + seconds
            asked: set[int] = set()
            while living := members(cluster_id):
                for process in living:
                    if process.pid not in asked:
                        asked.add(process.pid)
                        with suppress(psutil.Error):
                            process.send_signal(number)
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                shutil.rmtree(self._folder / cluster_id, ignore_errors=True)
                return
        pids = ", ".join(str(process.pid) for process in members(cluster_id))
        raise ClusterError(f"{cluster_id}: processes {pids} outlived SIGKILL. See `ps` for why.")

    def living(self) -> set[str]:
        """Return the clusters of this folder that have a process."""
        ours = {path.name for path in self._folder.glob(f"{PREFIX}*")}
        tokens = (environment_of(p).get(TOKEN_VARIABLE) for p in psutil.process_iter())
        return ours & {token for token in tokens if token}

    def _start(
        self, cluster_id: str, what: str, main_class: str, *arguments: str
    ) -> subprocess.Popen[bytes]:
        """Start one process, in a session of its own: what ends the run does not reach it."""
        home = spark_home()
        command = (
            find_java() or "java", *_JVM, *open_modules(), "-cp", f"{home}/jars/*", main_class,
            "--host", HOST, *arguments,
        )  # fmt: skip
        environment = {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": HOST,
            # else a worker cannot start executors: Spark's scripts say it, and those are not used
            "SPARK_SCALA_VERSION": next((home / "jars").glob("spark-core_*.jar")).name[11:15],
            TOKEN_VARIABLE: cluster_id,
        }
        with (self._folder / cluster_id / f"{what}.log").open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def _place(self, cluster_id: str) -> dict[str, int]:
        found: dict[str, int] = json.loads((self._folder / cluster_id / _PLACE).read_text())
        return found

    def _master(self, cluster_id: str) -> dict[str, object] | None:
        """Return what the master says of itself, or None where it does not answer."""
        url = f"http://{HOST}:{self._place(cluster_id)['web_port']}/json/"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                found: dict[str, object] = json.load(answer)
                return found
        except (OSError, ValueError):
            return None
