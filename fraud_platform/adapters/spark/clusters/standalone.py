"""Spark standalone clusters on this machine: one master process and its worker processes.

Here: starting them, asking the master for its workers, ending them with all their children.
Not here: processes in general (`adapters.services.processes`).

Every process has the cluster's name in its environment, and its executors and their Python
processes inherit it. A cluster can therefore be found and ended after its creator has died.
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
from fraud_platform.adapters.kafka.broker_settings import free_port
from fraud_platform.adapters.services.processes import HOST, TOKEN_VARIABLE, environment_of, members
from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize
from fraud_platform.adapters.spark.server import open_modules, spark_home
from fraud_platform.errors import ClusterError

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
MASTER_SECONDS, POLITE_SECONDS, KILL_SECONDS = 60.0, 5.0, 10.0
_POLL_SECONDS, _ANSWER_SECONDS = 0.1, 2.0
_PORTS_FILE = "cluster.json"


class StandaloneProvider:
    """Runs clusters whose files are in one folder."""

    name = "standalone"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Start a master, then its workers; a worker started before its master waits 10 s."""
        folder = self._folder / cluster_id
        folder.mkdir(parents=True, exist_ok=True)
        port, web_port = free_port(), free_port()
        (folder / _PORTS_FILE).write_text(json.dumps({"port": port, "web_port": web_port}))
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
        """Return the cluster once the master reports all workers, until then their number."""
        if not members(cluster_id):
            raise ClusterError(
                f"{cluster_id}: expected a master and {size.workers} workers, found that they "
                f"ended. Their logs are in {self._folder / cluster_id}."
            )
        master = self._master(cluster_id)
        alive = -1 if master is None else int(str(master["aliveworkers"]))
        if alive < size.workers:
            return f"{max(alive, 0)} of {size.workers} workers (logs: {self._folder / cluster_id})"
        return Cluster(cluster_id, f"spark://{HOST}:{self._place(cluster_id)['port']}")

    def delete(self, cluster_id: str) -> None:
        """Send SIGTERM to all processes, then SIGKILL to the survivors, and remove the files."""
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
        """Return the names of this folder's clusters that have a running process."""
        ours = {path.name for path in self._folder.glob(f"{PREFIX}*")}
        tokens = (environment_of(p).get(TOKEN_VARIABLE) for p in psutil.process_iter())
        return ours & {token for token in tokens if token}

    def _start(
        self, cluster_id: str, what: str, main_class: str, *arguments: str
    ) -> subprocess.Popen[bytes]:
        """Start one process in its own session, so that signals to the run do not reach it."""
        home = spark_home()
        command = (
            find_java() or "java", *_JVM, *open_modules(), "-cp", f"{home}/jars/*", main_class,
            "--host", HOST, *arguments,
        )  # fmt: skip
        environment = {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": HOST,
            # Workers need it to start executors. Spark's start scripts, not used here, set it.
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
        ports: dict[str, int] = json.loads((self._folder / cluster_id / _PORTS_FILE).read_text())
        return ports

    def _master(self, cluster_id: str) -> dict[str, object] | None:
        """Return the master's status, or None if it does not answer."""
        url = f"http://{HOST}:{self._place(cluster_id)['web_port']}/json/"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                status: dict[str, object] = json.load(answer)
                return status
        except (OSError, ValueError):
            return None
