"""Comparison of this checkout with another one: the same work in turn, on one machine.

Here: cleaning, features, a scoring backlog on both engines, the latency of a live stream, each
measured with the checkout's own benchmark code in a separate process; the ratios of each round.
Not here: the measurements (`cleaning`, `scoring`), what runs in each checkout (`probe`).

    git worktree add ../before REVISION
    python -m benchmarks.against ../before [--rounds 5] [--only cleaning,features]

Both contenders use this interpreter and its packages, unless the other has its own environment
(`--other-python`): the live stream starts the command `fraud-platform` next to the interpreter,
which must be the checkout's. The order alternates between rounds, so that a machine that becomes
slower does not favour one of them. The ratio is this checkout's value divided by the other's in the
same round; the median is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import markdown_table, write_section

HERE = Path(__file__).parents[1]
PROBE = HERE / "benchmarks" / "probe.py"
WORKS = ("cleaning", "features", "backlog", "spark", "live")
_LIMIT_SECONDS = 3_600


@dataclass(frozen=True)
class Contender:
    """A checkout, its interpreter, and the folder of its prepared data between rounds."""

    name: str
    checkout: Path
    folder: Path
    python: str = sys.executable

    def measure(self, work: str, options: Sequence[str]) -> dict[str, float]:
        """Run one piece of work in a separate process and return its measurements by name.

        Raises:
            CalledProcessError: the work failed; its error is on standard error.
        """
        home = {key: value for key, value in os.environ.items() if not key.startswith("FRAUD_")}
        environment = {**home, "PYTHONPATH": str(self.checkout)}
        command = [self.python, str(PROBE), work, "--folder", str(self.folder), *options]
        done = subprocess.run(
            command, cwd=self.checkout, env=environment, stdout=subprocess.PIPE, text=True,
            check=True, timeout=_LIMIT_SECONDS,
        )  # fmt: skip
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures


def compare(
    contenders: tuple[Contender, Contender], work: str, rounds: int, options: Sequence[str]
) -> list[list[str]]:
    """Measure both contenders in turn and return one table row for each kind of measurement."""
    results: dict[str, list[Mapping[str, float]]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        for contender in _in_turn(contenders, number):
            figures = contender.measure(work, options)
            results[contender.name].append(figures)
            words = "  ".join(f"{name} {value:,.2f}" for name, value in figures.items())
            print(f"{work:9} round {number + 1}  {contender.name:6} {words}", flush=True)
    mine, theirs = (results[one.name] for one in contenders)
    return [_row(work, figure, mine, theirs) for figure in mine[0]]


def _in_turn(contenders: tuple[Contender, Contender], number: int) -> Iterator[Contender]:
    yield from contenders if number % 2 == 0 else reversed(contenders)


def _row(
    work: str,
    figure: str,
    mine: Sequence[Mapping[str, float]],
    theirs: Sequence[Mapping[str, float]],
) -> list[str]:
    ratios = [a[figure] / b[figure] for a, b in zip(mine, theirs, strict=True)]
    return [
        f"{work}: {figure}",
        f"{statistics.median(one[figure] for one in theirs):,.2f}",
        f"{statistics.median(one[figure] for one in mine):,.2f}",
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f}",
        f"{max(ratios):.3f}",
    ]


def main() -> None:
    """Measure both checkouts and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="a checkout of the revision to compare with")
    parser.add_argument(
        "--other-python", default=sys.executable, metavar="PYTHON",
        help="interpreter of its own environment, if it has one",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(WORKS), help="some of " + ", ".join(WORKS))
    parser.add_argument("--folder", type=Path, help="folder in which prepared data is kept")
    parser.add_argument("--rows", type=int, default=12_000_000, help="rows of the cleaned drop")
    parser.add_argument("--seconds", type=int, default=30, help="duration of each live stream")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := sorted(set(wanted) - set(WORKS)):
        parser.error(f"--only: expected some of {', '.join(WORKS)}, found {', '.join(unknown)}")
    if not (options.other / "benchmarks" / "scoring.py").is_file():
        parser.error(f"{options.other}: expected a checkout of this project, found none there")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).absolute()
        contenders = (
            Contender("this", HERE, folder / "this"),
            Contender("other", options.other.absolute(), folder / "other", options.other_python),
        )
        given = ["--rows", str(options.rows), "--seconds", str(options.seconds)]
        rows = [row for work in wanted for row in compare(contenders, work, options.rounds, given)]
    header = ["figure", "other", "this", "ratio", "lowest", "highest"]
    table = markdown_table(header, rows)
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=options.other, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    title = f"Against {revision or 'another checkout'}"
    print(f"\n{title}\n{table}", flush=True)
    says = (
        f"`python -m benchmarks.against CHECKOUT --rounds {options.rounds}`: medians; a ratio is "
        "this checkout's figure divided by the other's in the same round."
    )
    write_section(title, f"{table}\n\n{says}")


if __name__ == "__main__":
    main()
