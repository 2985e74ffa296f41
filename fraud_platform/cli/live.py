"""The commands of the live half: topics, producing, scoring, gaps, replay.

Here: parsing arguments and printing results.
Not here: the other commands (`fraud_platform.cli.commands`), what these do
(`operations.live.produce`, `fraud_platform.operations.live.follow`,
`fraud_platform.operations.live`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from fraud_platform.cli.entry import enter

live = typer.Typer()
Why = Annotated[str, typer.Option(help="The reason, kept in the history.")]


@live.command("make-topics")
def make_topics(
    wait_seconds: Annotated[float, typer.Option(min=0, help="Patience with a broker.")] = 0.0,
) -> None:
    """Create the topics of the contract that are missing in Kafka."""
    from fraud_platform.operations.services.server import make_topics as make

    typer.echo(f"created: {', '.join(make(enter(), wait_seconds)) or 'none, all are there'}")


@live.command()
def produce(
    drop: Annotated[str, typer.Option(help="A published drop (YYYY-MM-DD, or latest), or a file.")],
    rate: Annotated[str, typer.Option(help="Transactions a second, or max.")] = "400",
    speedup: Annotated[
        float | None, typer.Option(help="Seconds of stream time a second, instead of a rate.")
    ] = None,
    labels: Annotated[bool, typer.Option("--labels", help="Labels too, once known.")] = False,
    all_labels: Annotated[
        bool, typer.Option("--all-labels", help="At the end, those not yet known as well.")
    ] = False,
    dirty: Annotated[float, typer.Option(min=0, max=1, help="Bad messages for each good.")] = 0.0,
    late: Annotated[
        float, typer.Option(min=0, max=1, help="Share that comes an hour to two days late.")
    ] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of bad and late messages, instead of FRAUD_SEED.")
    ] = None,
) -> None:
    """Replay a drop as live transactions, without labels, until done or Ctrl-C."""
    from fraud_platform.operations.live.drop_rows import load_rows
    from fraud_platform.operations.live.produce import Extras, Pace
    from fraud_platform.operations.live.produce import produce as replay
    from fraud_platform.reporting.terminal import progress_bar

    pace = Pace.parse(rate, speedup)
    settings = enter()
    rows, lines = load_rows(settings, drop, limit)
    for line in lines:
        typer.echo(line)
    extras = Extras(
        labels or all_labels, all_labels, dirty, settings.seed if seed is None else seed, late
    )
    with progress_bar("producing", rows.height, "transactions") as advance:
        produced = replay(rows, settings, pace, extras, advance)
    typer.echo(str(produced))
    if produced.is_stopped:
        raise typer.Exit(130)


@live.command()
def score(
    follow: Annotated[
        bool, typer.Option("--follow", help="Until Ctrl-C, in this process.")
    ] = False,
) -> None:
    """Score live transactions in this process, within fractions of a second."""
    from fraud_platform.adapters.interrupts import stop_requests
    from fraud_platform.defs.pages.follow_reports import Reporter
    from fraud_platform.operations.live.follow import follow as run
    from fraud_platform.operations.models.registry import registry_of

    if not follow:
        raise typer.BadParameter("say --follow; batches are scored by the sensor's runs")
    settings = enter()
    with stop_requests() as is_stop_requested:
        done = run(settings, registry_of(settings), typer.echo, is_stop_requested, Reporter)
    typer.echo(f"{done.counts.get('scored', 0)} scored in all")


@live.command("accept-gap")
def accept_gap(
    why: Why,
    labels: Annotated[bool, typer.Option("--labels", help="On the labels topic.")] = False,
) -> None:
    """Let scoring continue after messages that Kafka no longer holds, or on a recreated topic."""
    from fraud_platform.defs.automation.requests import ask_plan_again
    from fraud_platform.defs.commands.batch import open_instance
    from fraud_platform.operations.live.gaps import accept_gap as accept
    from fraud_platform.operations.live.gaps import accept_label_gap

    settings = enter()
    if not labels:
        typer.echo(accept(settings, why))
        return
    with open_instance(settings) as instance:
        typer.echo(accept_label_gap(settings, why, partial(ask_plan_again, instance)))


@live.command("set-stream-time")
def set_stream_time(
    to: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d %H:%M", "%Y-%m-%d"], help="Stream time (UTC) to set."),
    ] = None,
    why: Annotated[
        str | None, typer.Option(help="The reason, kept in the history; without it, only look.")
    ] = None,
) -> None:
    """Show stream time and its estimate, or set it after wrong dates have moved it."""
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.operations.live.stream_time import look_at_stream_time
    from fraud_platform.operations.live.stream_time import set_stream_time as commit

    second = None if to is None else int(to.replace(tzinfo=UTC).timestamp())
    settings = enter()
    if second is None or why is None:
        for line in look_at_stream_time(Lake(settings.lake), second):
            typer.echo(line)
        return
    typer.echo(commit(settings, second, why))


@live.command()
def replay(
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Send those that are valid now again.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Dead letters of this reason only.")] = None,
    batches: Annotated[
        str | None, typer.Option("--range", help="Micro-batches FIRST-LAST to score again.")
    ] = None,
    model: Annotated[int | None, typer.Option(help="Model version to score them with.")] = None,
) -> None:
    """Submit dead letters again, or score a past range with another model for comparison."""
    from fraud_platform.operations.live.replay import replay_dead_letters, rescore_range
    from fraud_platform.operations.live.rescoring import comparison_words
    from fraud_platform.reporting.waiting import waiting

    settings = enter()
    if dead_letters:
        sent, invalid = replay_dead_letters(settings, reason)
        typer.echo(f"{sent} sent again, {invalid} still invalid")
    elif batches and model:
        first, last = _range(batches)
        with waiting(f"scoring micro-batches {batches} again", "5 s for each 100,000 rows"):
            count = rescore_range(settings, first, last, model)
        typer.echo(f"{count} rows scored again with model {model}, in the table rescored")
        with waiting("comparing both models", "5 to 60 s, by the rows with labels"):
            texts = list(comparison_words(settings, first, last, model))
        for text in texts:
            typer.echo(text)
    else:
        raise typer.BadParameter("say --dead-letters, or --range FIRST-LAST with --model VERSION")


@live.command("mend-table")
def mend_table(
    table: Annotated[str, typer.Argument(help="The table, for example scored.")], why: Why
) -> None:
    """Remove rows that a table holds more than once, and keep one of each."""
    from fraud_platform.operations.live.mending import mend

    typer.echo(mend(enter(), table, why))


def _range(words: str) -> tuple[int, int]:
    first, _, last = words.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise typer.BadParameter(f"expected FIRST-LAST, two numbers, found {words}")
    return int(first), int(last or first)
