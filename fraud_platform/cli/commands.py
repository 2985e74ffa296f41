"""The commands of `fraud-platform`.

Here: parsing arguments and printing results; exit codes (0 done, 1 failed, 2 wrong settings, 128 +
n ended by signal n).
Not here: the commands of the live half (`cli.live`) and of data sets (`cli.data_set`), what any of
them does (stages, `adapters`, `fraud_platform.defs.commands.batch`).
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fraud_platform.adapters.interrupts import heard_signals
from fraud_platform.calendar.retraining_day import KNOWLEDGE_DATE_FORM
from fraud_platform.cli.data_set import data_sets
from fraud_platform.cli.entry import enter
from fraud_platform.cli.live import Why, live
from fraud_platform.cli.simulate import simulation
from fraud_platform.errors import FraudPlatformError, SettingsError
from fraud_platform.settings import Settings

app = typer.Typer(
    help="Card-fraud data platform: drops to clean data, features, models and decisions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(help="Measure quality and speed on this machine.", no_args_is_help=True)
for commands in (live, simulation, data_sets):
    app.add_typer(commands)
app.add_typer(bench, name="bench")

_DAY = "%Y-%m-%d"
KnowledgeDate = Annotated[datetime, typer.Argument(formats=[_DAY], help=KNOWLEDGE_DATE_FORM)]
_PLAIN_WIDTH = 140
"""Columns of a report that goes into a file or a log."""


@app.command()
def doctor() -> None:
    """Report what is missing on this machine, with the remedy."""
    from fraud_platform.operations.doctor import diagnose

    findings = diagnose(enter())
    for finding in findings:
        typer.echo(str(finding))
    if any(not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def fetch_jars() -> None:
    """Fetch the jars that the settings want, check their hashes, archive Spark's classes; once."""
    from fraud_platform.adapters.jvm.jars import fetch_jars as fetch
    from fraud_platform.adapters.spark.classes import make_class_archive
    from fraud_platform.operations.doctor import wanted_jars

    settings = enter()
    for folder, jars in wanted_jars(settings):
        for path in fetch(folder, jars):
            typer.echo(str(path))
    if settings.spark.startswith("local"):
        make_class_archive(settings, partial(typer.echo, err=True))


@app.command()
def load(
    workers: Annotated[int, typer.Option(min=1, help="Files copied at once.")] = 4,
    distcp: Annotated[bool, typer.Option(help="Let Hadoop's DistCp copy.")] = False,
    yarn: Annotated[bool, typer.Option(help="DistCp on HADOOP_CONF_DIR's cluster.")] = False,
) -> None:
    """Copy all drops of landing to the raw zone, verified; an interrupted copy is resumed."""
    from fraud_platform.adapters.storage.distcp import distcp as run_distcp
    from fraud_platform.adapters.storage.zones import open_zone
    from fraud_platform.ingest.arrivals import drop_names, only_name
    from fraud_platform.ingest.loading import adopt_drop, load_drops

    if yarn and not distcp:
        raise typer.BadParameter("--yarn says where --distcp runs: say both, or neither")
    settings = enter()
    landing, raw = open_zone(settings.landing), open_zone(settings.raw, create=True)
    names = [only_name(drop, names) for drop, names in drop_names(landing).items()]
    if distcp:
        run_distcp([landing.url_of(name) for name in names], raw.url, settings.jars, yarn)
        loaded = [adopt_drop(landing, raw, name) for name in names]
    else:
        loaded = load_drops(landing, raw, names, workers, typer.echo)
    for drop in loaded:
        typer.echo(f"{drop.name} {drop.size_bytes} bytes, SHA-256 {drop.sha256}")


@app.command()
def demo(
    drops: Annotated[
        Path | None, typer.Option(help="Folder with drops; without it, months are simulated.")
    ] = None,
) -> None:
    """Run everything once: drops to a promoted model, live transactions scored by it, a report."""
    from fraud_platform.defs.commands.demo import run_demo

    settings = enter()
    passed = run_demo(settings, drops)
    _show_report(settings)
    typer.echo("Where to look: `make dev` opens the Dagster UI and MLflow on all of this.")
    if not passed:
        raise typer.Exit(1)


@app.command()
def dev() -> None:
    """Open the Dagster UI, MLflow and Kafka on what is there, until Ctrl-C."""
    from fraud_platform.operations.services.laptop import dev as run_dev

    run_dev(enter())


@app.command()
def up(
    secure: Annotated[
        bool, typer.Option("--secure", help="Kafka by SASL_SSL, its users with least rights.")
    ] = False,
    spark_server: Annotated[
        bool, typer.Option("--spark-server", help="And a Spark server that every run shares.")
    ] = False,
) -> None:
    """Start Kafka, the Dagster UI, its daemon and MLflow in the background, what does not run."""
    from fraud_platform.operations.services.laptop import up as start

    settings = enter()
    chosen: dict[str, object] = {"kafka_security": "sasl_ssl"} if secure else {}
    if spark_server:
        chosen["spark_server"] = True
    for line in start(settings.model_copy(update=chosen)):
        typer.echo(line)


@app.command()
def down() -> None:
    """Stop every process that `up` or `dev` started."""
    from fraud_platform.operations.services.laptop import down as stop

    for line in stop(enter()):
        typer.echo(line)


@app.command()
def serve(
    program: Annotated[str, typer.Argument(help="code-server, webserver, daemon, mlflow, kafka")],
) -> None:
    """Become one program of a server, in front, as its unit asks (docs/server.md)."""
    from fraud_platform.operations.services.server import become

    become(enter(), program)


@app.command()
def status() -> None:
    """Show what needs you, which services run, and how far topics and data are."""
    from fraud_platform.adapters.kafka.lag import lag_lines
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.operations.live.stream_time import stream_time_problem
    from fraud_platform.operations.models.champion import champion_line
    from fraud_platform.operations.services.laptop import status as services_status
    from fraud_platform.reporting.status import lake_lines

    settings = enter()
    lake = Lake(settings.lake)
    _show_needs(settings)
    for line in services_status(settings) + lag_lines(settings):
        typer.echo(line)
    typer.echo(champion_line(settings))
    if problem := stream_time_problem(lake):
        typer.echo(f"needs you: {problem}")
    for line in lake_lines(lake):
        typer.echo(line)


@app.command()
def clusters(
    reap: Annotated[
        bool, typer.Option("--reap", help="Delete those whose run's process has ended.")
    ] = False,
) -> None:
    """Show the clusters that were made for runs: size, seconds, core-hours, cost."""
    from fraud_platform.defs.automation.clusters import cluster_lines, reap_clusters

    settings = enter()
    if reap:
        for line in reap_clusters(settings, None):
            typer.echo(line)
    for line in cluster_lines(settings):
        typer.echo(line)


@app.command()
def report() -> None:
    """Show what needs you, what came in, what was quarantined, and how the models compare."""
    settings = enter()
    _show_needs(settings)
    _show_report(settings)


@app.command()
def accept(drop: Annotated[str, typer.Argument(help="A held drop, YYYY-MM-DD.")], why: Why) -> None:
    """Release a held drop: it is cleaned again and published."""
    from fraud_platform.defs.commands.batch import accept_drop
    from fraud_platform.reporting.waiting import waiting

    with waiting(f"cleaning and publishing drop {drop}", "30 to 90 s, longer for a large drop"):
        run = accept_drop(enter(), drop, why)
    if not run.success:
        typer.echo(run.error, err=True)
        raise typer.Exit(1)
    typer.echo(f"{drop} is published")


@app.command()
def retry(
    what: Annotated[
        str, typer.Argument(help="As status names it: drop:2018-05-01, week:2018-07-02, days, plan")
    ],
) -> None:
    """Repeat a failed request at once, after its cause was fixed."""
    from fraud_platform.defs.commands.batch import retry as ask_again

    typer.echo(ask_again(enter(), what))


@app.command()
def approve(knowledge_date: KnowledgeDate, why: Why) -> None:
    """Approve a waiting promotion (FRAUD_PROMOTION_MODE=approval)."""
    from fraud_platform.operations.models.decisions import approve as approve_promotion

    typer.echo(approve_promotion(enter(), knowledge_date.date(), _user(), why))


@app.command()
def rollback(why: Why) -> None:
    """Make the previous champion champion again."""
    from fraud_platform.operations.models.decisions import rollback as roll_back

    typer.echo(roll_back(enter(), _user(), why))


@app.command()
def champion(
    from_history: Annotated[
        bool, typer.Option("--from-history", help="Bring the registry back to the history.")
    ] = False,
) -> None:
    """Compare the registry's champion with the history; repair the registry if requested."""
    from fraud_platform.operations.models.champion import champion_line, mend_champion

    settings = enter()
    if from_history:
        typer.echo(mend_champion(settings, _user()))
    typer.echo(champion_line(settings))


@app.command()
def decline(knowledge_date: KnowledgeDate, why: Why) -> None:
    """Decline a waiting promotion."""
    from fraud_platform.operations.models.decisions import decline as decline_promotion

    typer.echo(decline_promotion(enter(), knowledge_date.date(), _user(), why))


@app.command()
def reproduce(version: Annotated[int, typer.Argument(help="A registered version.")]) -> None:
    """Train a registered model again from the table versions it names; compare bit for bit."""
    from fraud_platform.operations.models.reproduction import reproduce as make_again
    from fraud_platform.reporting.waiting import waiting

    with waiting(f"training version {version} again", "30 to 120 s"):
        result = make_again(enter(), version)
    typer.echo(str(result))
    if not result.is_equal:
        raise typer.Exit(1)


@app.command()
def vacuum() -> None:
    """Remove files that no table version in use needs; what models name is kept."""
    from fraud_platform.defs.automation.maintenance import vacuum_lake
    from fraud_platform.reporting.waiting import waiting

    with waiting("looking for files that no version needs", "5 to 60 s"):
        removed_files = vacuum_lake(enter())
    for table, removed in removed_files.items():
        typer.echo(f"{table}: {removed} files removed")


@bench.command("quality")
def bench_quality(
    drops: Annotated[Path, typer.Option(help="Folder with the four Handbook drops.")],
) -> None:
    """Print AUC ROC, average precision and card precision at 100 on four prequential folds."""
    from fraud_platform.operations.models.quality import measure_quality
    from fraud_platform.reporting.waiting import waiting

    with waiting("cleaning, building features, training four folds", "3 to 10 minutes"):
        result = measure_quality(enter(), drops)
    typer.echo(str(result))


def _show_needs(settings: Settings) -> None:
    from fraud_platform.defs.commands.batch import open_instance
    from fraud_platform.defs.pages.needs import collect_needs
    from fraud_platform.reporting.needs import needs_lines

    with open_instance(settings) as instance:
        for line in needs_lines(collect_needs(settings, instance)):
            typer.echo(line)


def _show_report(settings: Settings) -> None:
    from rich.console import Console

    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.cleaning.fraud_share import note_on_fraud_share
    from fraud_platform.reporting.terminal import print_report

    console = Console(highlight=False, width=None if Console().is_terminal else _PLAIN_WIDTH)
    print_report(Lake(settings.lake), console, note_on_fraud_share)


def _user() -> str:
    return os.environ.get("USER") or "unknown"


def main() -> None:
    """Run the command line; a platform error is one message, not a traceback."""
    code = _run()
    # Arrow's threads run Python to close a file of S3 or HDFS. One that does so while Python is
    # taken down aborts the process, though its work is done: so it is not taken down.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader may have gone
            stream.flush()
    os._exit(code)


def _run() -> int:
    """Run the command; the code is 128 + the signal's number if one ended it."""
    with heard_signals() as heard:
        code = _code_of_command()
        number = heard()
    if code == 0 or number is None:
        return code
    typer.echo("\nstopped; nothing is half-written, run it again to go on", err=True)
    return 128 + number


def _code_of_command() -> int:
    from fraud_platform.adapters.storage.failures import reaching_disks

    try:
        with reaching_disks():
            app(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        return 2
    except FraudPlatformError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - a person gets words, the developer the file
        typer.echo(_unexpected(error), err=True)
        return 1
    return 0


def _unexpected(error: Exception) -> str:
    """Return the message of an unexpected error, and store its traceback."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        text += ". Look at this path, its rights and the free space, then run the command again."
    else:
        text += "\nThis is a fault of the platform, not of your input."
    try:
        descriptor, name = tempfile.mkstemp(prefix="fraud-platform-", suffix=".log", text=True)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return text
    return f"{text}\nThe traceback is in {name}; send it with a report of the problem."
