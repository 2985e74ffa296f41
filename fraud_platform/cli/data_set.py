"""The commands of declarations: `plan`, before anything is written, and `message-formats`.

Here: options, and choosing the data set before anything else is imported.
Not here: the plan (`fraud_platform.operations.data_set_plan`), the other commands
(`fraud_platform.cli.commands`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

data_sets = typer.Typer()
_VARIABLE = "FRAUD_DATA_SET"


@data_sets.command()
def plan(
    file: Annotated[Path, typer.Argument(help="Python file that declares a data set.")],
    sample: Annotated[
        Path | None, typer.Option(help="A drop's file, of which the first rows are read.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the sample to read.")] = 200_000,
) -> None:
    """Check a declaration, and show what it makes of a sample; nothing is written.

    Every problem of the declaration is listed with its line. A sample shows rows by quarantine
    reason, values of each column, features that never change, and what a day costs. The last part
    compares the declaration with the one in use (FRAUD_DATA_SET).
    """
    present = os.environ.get(_VARIABLE)
    # tables and label delay follow from the data set that a process starts with
    os.environ[_VARIABLE] = str(file)
    from fraud_platform.cleaning.holding import Limits
    from fraud_platform.cleaning.raw_text import UnpackLimits
    from fraud_platform.cli.entry import enter
    from fraud_platform.contracts.active import DATA_SET, DEFAULT_DATA_SET
    from fraud_platform.contracts.source_language.loading import load_data_set
    from fraud_platform.operations.data_set_plan import plan_words
    from fraud_platform.operations.data_set_sample import read_sample

    settings = enter(is_own_home=False)
    before = load_data_set(present or DEFAULT_DATA_SET)
    found = None
    if sample is not None:
        found = read_sample(DATA_SET, sample, rows, UnpackLimits.from_settings(settings))
    is_other = present is not None and before != DATA_SET
    limits = Limits.from_settings(settings)
    for line in plan_words(DATA_SET, before if is_other else None, found, limits):
        typer.echo(line)


@data_sets.command("message-formats")
def message_formats(
    file: Annotated[
        Path | None, typer.Argument(help="Declaration; without it, the one in use.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option(help="transactions, labels or predictions; without it, all.")
    ] = None,
) -> None:
    """Print the JSON Schema of each topic's messages, with examples, as the declaration has it."""
    if file is not None:
        os.environ[_VARIABLE] = str(file)
    from fraud_platform.contracts.active import SOURCE
    from fraud_platform.scoring.messages.schemas import schema_words

    typer.echo(schema_words(SOURCE, topic))


@data_sets.command()
def apply(
    file: Annotated[Path, typer.Argument(help="Python file that declares the data set.")],
) -> None:
    """Put a changed declaration in use: new features beside the old ones.

    Features that tables or the champion need stay computed, though the file declares them no
    longer. A feature whose name would mean something else is refused, and so is a source whose rows
    would.
    """
    os.environ[_VARIABLE] = str(file)
    from fraud_platform.cli.entry import enter
    from fraud_platform.operations.apply_declaration import apply_declaration

    for line in apply_declaration(enter(is_own_home=False)):
        typer.echo(line)
