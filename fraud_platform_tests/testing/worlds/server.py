"""A server as documented: the units' own commands, with the documented environment file, started.

Here: reading `deploy/`, moving its paths and ports to a test's own, starting and stopping units.
Not here: Postgres (`testing.servers.postgres`), what is judged (the tests).
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fraud_platform
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.postgres import Postgres
from fraud_platform_tests.testing.waiting import wait_for

ROOT = Path(fraud_platform.__file__).parent.parent
DEPLOY = ROOT / "deploy"
PROGRAM = "/opt/fraud-platform/.venv/bin/fraud-platform"
SECRETS = "/etc/fraud-platform/secrets"


def unit(name: str) -> configparser.ConfigParser:
    """Return a unit file, read as systemd would."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / name)
    return parser


@dataclass
class Server:
    """The units of a server on paths and ports of a test's own."""

    folder: Path
    postgres: Postgres
    extra: dict[str, str] = field(default_factory=dict)
    """Variables beside those of the environment file; an empty one takes one away."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    restarts: bool = False
    """Whether a unit that ended is started again, as its `Restart=on-failure` asks."""

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in ("3000", "4000", "5000", "9092")}
        (self.folder / "secrets").mkdir(parents=True)
        self.logs.mkdir()
        self.home.mkdir()
        for name in ("dagster_storage_password", "mlflow_storage_password"):
            (self.folder / "secrets" / name).write_text(self.postgres.password + "\n")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    @property
    def environment(self) -> dict[str, str]:
        """What the environment file gives a unit, and what the service manager gives anybody."""
        text = (DEPLOY / "platform.env").read_text()
        text = text.replace("/var/lib/fraud-platform", str(self.home))
        text = text.replace(SECRETS, str(self.folder / "secrets"))
        text = text.replace(":5432/", f":{self.postgres.port}/")
        for port, own in self.ports.items():
            text = re.sub(rf"\b{port}$", str(own), text, flags=re.MULTILINE)
        pairs = [line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line)]
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "JAVA_HOME", "LANG", "TZ")}
        kept["PYTHONDONTWRITEBYTECODE"] = "1"
        return {name: v for name, v in {**kept, **dict(pairs), **self.extra}.items() if v}

    def command(self, line: str) -> list[str]:
        program = str(Path(sys.executable).with_name("fraud-platform"))
        return [program if word == PROGRAM else word for word in shlex.split(line)]

    def start(self, name: str) -> None:
        """Start a unit's command, in front, its output in a log, as the service manager does."""
        service = unit(f"fraud-{name}.service")["Service"]
        self.processes[name] = subprocess.Popen(
            self.command(service["ExecStart"]),
            stdin=subprocess.DEVNULL,
            stdout=(self.logs / f"{name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.home,
            start_new_session=True,
        )
        if after := service.get("ExecStartPost"):
            self.call(*self.command(after)[1:])

    def call(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command of the platform beside the units; its output goes to the logs too."""
        done = subprocess.run(
            [*self.command(PROGRAM), *words],
            check=False,
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
            cwd=self.home,
            timeout=300,
        )
        output = done.stdout + done.stderr
        with (self.logs / "commands.log").open("a") as log:
            log.write(output)
        assert done.returncode == code, output
        return output

    def stop(self) -> dict[str, int]:
        """Ask every unit to end, as the service manager does; return what each ended with."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                codes[name] = -9
            kill_group(process.pid)
        self.processes.clear()
        return codes

    def until(self, condition: Callable[[], object], limit_seconds: float, what: str) -> Any:
        """Wait for a condition, with the units' logs as the answer where it never comes true."""

        def ask() -> Any:
            with suppress(OSError, AssertionError, KeyError):
                if found := condition():
                    return found
            ended = self._restart([n for n, p in self.processes.items() if p.poll() is not None])
            assert not ended, self._tails(f"not {what}; ended: {ended}")
            return None

        return wait_for(ask, limit_seconds, lambda: self._tails(f"not {what}"), every=0.5)

    def _tails(self, problem: str) -> str:
        logs = sorted(self.logs.glob("*.log"))
        return "\n".join([problem, *(f"--- {p.name}\n{p.read_text()[-1500:]}" for p in logs)])

    def _restart(self, ended: list[str]) -> list[str]:
        """Start again what may be, as the service manager does; return what must not be."""
        stopped = []
        for name in ended:
            service = unit(f"fraud-{name}.service")["Service"]
            code = self.processes[name].returncode
            is_final = code == 0 or str(code) in service["RestartPreventExitStatus"].split()
            if not self.restarts or is_final or service["Restart"] != "on-failure":
                stopped.append(name)
                continue
            with (self.logs / "restarts.log").open("a") as log:
                log.write(f"{name} ended with {code}; started again\n")
            self.start(name)
        return stopped

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Ask Dagster's UI, as a browser does."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url('3000')}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up(self, port: str, path: str) -> bool:
        with urllib.request.urlopen(self.url(port) + path, timeout=5) as response:
            return response.status == 200


def kill_group(pid: int) -> None:
    """End what a unit's process left in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


HEALTH = """{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
    __typename } } } } }"""
LAUNCH = """mutation($job: String!) { launchRun(executionParams: {
  selector: {repositoryLocationName: "fraud_platform", repositoryName: "__repository__",
    jobName: $job}, runConfigData: {}}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""
ENDS = ("SUCCESS", "FAILURE", "CANCELED")
RUNS = """{ runsOrError(limit: 50) { ... on Runs { results { jobName status runId } } } }"""


def is_whole(server: Server) -> bool:
    """Return whether the UI sees the definitions, and every daemon it needs."""
    found = server.ask(HEALTH)
    entries = found["workspaceOrError"]["locationEntries"]
    kinds = [(e["name"], e["locationOrLoadError"]["__typename"]) for e in entries]
    daemons = found["instance"]["daemonHealth"]["allDaemonStatuses"]
    healthy = all(d["healthy"] for d in daemons if d["required"])
    return kinds == [("fraud_platform", "RepositoryLocation")] and healthy


def is_idle(server: Server) -> bool:
    """Return whether no run is queued or under way."""
    runs = server.ask(RUNS)["runsOrError"]["results"]
    return all(run["status"] in ENDS for run in runs)


def launch(server: Server, job: str) -> str:
    """Launch a job from the UI, wait for its end, and return its status."""
    launched = server.ask(LAUNCH, job=job)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def ended() -> str | None:
        status = server.ask(RUN, run=run)["runOrError"]["status"]
        return status if status in ENDS else None

    return str(server.until(ended, 180, f"ended: the run of {job}"))
