"""Cost of cleaning a drop of a declared source: the fast parser, the general reader, and DuckDB.

Here: one simulated dirty drop as the Handbook writes it, as CSV and as JSON lines; each contender
in its own process on two cores, in turn, three rounds; CPU time per row of the process tree.
Not here: cleaning at several sizes (`benchmarks.cleaning`), whether the rows are right (the tests).

    python -m benchmarks.general_source [--rows 3000000] [--folder DIR]

Every contender first cleans a small drop four times, so that session start and compilation are not
counted. Of each contender the round with the least CPU time is reported.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cleaning import CORES, MEMORY, WARM_UP_ROWS, WARM_UPS, Measurement, make_drop
from benchmarks.cleaning_contenders import (
    FIELDS_OF_JSON,
    FIELDS_OF_TEXT,
    Job,
    clean_with_duckdb,
    clean_with_platform,
)
from benchmarks.metering import Meter
from benchmarks.report import markdown_table, write_section
from fraud_platform.contracts.data_set import DataSet, DropFormat
from fraud_platform.contracts.drops import COLUMNS, MISSPELT_TRANSACTION_ID
from fraud_platform.datasets.handbook import DATA_SET

ROUNDS = 3
BUDGET_US = 2.5
"""So much CPU time a row a general source may cost more than the fast parser."""
_NUMBERS = (0, 2, 3, 4, 5, 6, 7, 8)
"""Fields that are numbers in JSON."""


def declared(drops: DropFormat, transaction_id: str = COLUMNS[0]) -> DataSet:
    """Return the Handbook's data set for the general reader."""
    key = dataclasses.replace(DATA_SET.source.transaction_id, column=transaction_id)
    source = dataclasses.replace(DATA_SET.source, drops=drops, transaction_id=key)
    return dataclasses.replace(DATA_SET, source=source, fits_fast_parser=False)


HEADER_NAMES = (MISSPELT_TRANSACTION_ID, *COLUMNS[1:])
PLATFORM: dict[str, tuple[str, DataSet]] = {
    "fast parser, text": (".txt", DATA_SET),
    "general, text": (
        ".txt",
        declared(
            DropFormat("text", "{day}.txt", header="commented", names=HEADER_NAMES),
            MISSPELT_TRANSACTION_ID,
        ),
    ),
    "general, CSV": (".csv", declared(DropFormat("csv", "{day}.csv"))),
    "general, JSON lines": (".jsonl", declared(DropFormat("json_lines", "{day}.jsonl"))),
}
DUCKDB = {
    "DuckDB, text": (".txt", FIELDS_OF_TEXT),
    "DuckDB, JSON lines": (".jsonl", FIELDS_OF_JSON),
}
CONTENDERS = (*PLATFORM, *DUCKDB)


def in_all_formats(text: Path) -> Path:
    """Write a drop as CSV and as JSON lines as well; return its path without a suffix."""
    base = text.with_suffix("")
    if base.with_suffix(".jsonl").exists():
        return base
    header, *lines = text.read_bytes().split(b"\n")
    assert header.startswith(b"#")
    rows = [line for line in lines if line.strip() and not line.startswith(b"#")]
    csv = [",".join(COLUMNS).encode(), *rows]
    base.with_suffix(".csv").write_bytes(b"\n".join(csv))
    base.with_suffix(".jsonl").write_bytes(b"\n".join(map(_as_json, rows)))
    return base


def _as_json(line: bytes) -> bytes:
    """Return a line's fields as an object; a line of other fields stays, which is no object."""
    fields = line.split(b",")
    if len(fields) != len(COLUMNS):
        return line
    texts = [field.decode(errors="replace") for field in fields]
    values = [
        text if place in _NUMBERS and _is_number(text) else json.dumps(text)
        for place, text in enumerate(texts)
    ]
    pairs = zip(COLUMNS, values, strict=True)
    return ("{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}").encode()


def _is_number(text: str) -> bool:
    try:
        return isinstance(json.loads(text), int | float) and text.lower() not in ("nan", "infinity")
    except ValueError:
        return False


def run_contender(contender: str, warm_up: Path, raw: Path, folder: Path) -> Measurement:
    """Clean both drops in this process and return the measurement of the second one."""
    suffix = (PLATFORM.get(contender) or DUCKDB[contender])[0]
    drop = raw.name
    jobs = [Job(warm_up.with_suffix(suffix), drop, folder / f"warm-{n}") for n in range(WARM_UPS)]
    job = Job(raw.with_suffix(suffix), drop, folder / "out")
    if contender in DUCKDB:
        fields = DUCKDB[contender][1]
        for one in jobs:
            clean_with_duckdb(one, CORES, MEMORY, fields)
        with Meter() as meter:
            clean, quarantined = clean_with_duckdb(job, CORES, MEMORY, fields)
    else:
        from fraud_platform.adapters.spark.session import open_session
        from fraud_platform.settings import Settings

        data_set = PLATFORM[contender][1]
        spark = open_session(Settings(spark_url=f"local[{CORES}]", spark_memory=MEMORY))
        for one in jobs:
            clean_with_platform(spark, one, data_set)
        with Meter() as meter:
            clean, quarantined = clean_with_platform(spark, job, data_set)
        spark.stop()
    return Measurement(
        contender, clean + quarantined, clean, quarantined,
        meter.seconds, meter.cpu_seconds, meter.peak_memory_mb,
    )  # fmt: skip


def measure(contender: str, warm_up: Path, raw: Path, scratch: Path) -> Measurement:
    """Run one contender in its own process."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        command = [sys.executable, "-m", "benchmarks.general_source", "--contender", contender]
        command += ["--warm-up", str(warm_up), "--raw", str(raw), "--folder", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = Measurement(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{contender:22} {found.rows:>10,} rows, {found.rows_quarantined:>7,} in quarantine, "
        f"{found.cpu_us_per_row:6.2f} us CPU/row",
        flush=True,
    )
    return found


def to_markdown(found: dict[str, Measurement]) -> str:
    """Return the costs, and how much each is more than the fast parser's."""
    fast = found["fast parser, text"].cpu_us_per_row
    table = markdown_table(
        ["contender", "rows", "quarantined", "us CPU/row", "more than fast", "ratio"],
        [
            [
                name,
                f"{one.rows:,}",
                f"{one.rows_quarantined:,}",
                f"{one.cpu_us_per_row:.2f}",
                f"{one.cpu_us_per_row - fast:+.2f}",
                f"{one.cpu_us_per_row / fast:.2f}",
            ]
            for name, one in found.items()
        ],
    )
    return (
        "One simulated dirty drop, as the Handbook writes it and as CSV and JSON lines, to "
        f"`transactions` and `quarantine` on {CORES} cores; the platform also writes labels and "
        f"ledger. Least of {ROUNDS} rounds in turn. A general source may cost {BUDGET_US} us more "
        f"than the fast parser.\n\n{table}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="folder in which drops are created and kept")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--warm-up", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        found = run_contender(
            arguments.contender, arguments.warm_up, arguments.raw, arguments.folder
        )
        print(json.dumps(dataclasses.asdict(found)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        warm_up = in_all_formats(make_drop(WARM_UP_ROWS, folder))
        raw = in_all_formats(make_drop(arguments.rows, folder))
        rounds = [
            {name: measure(name, warm_up, raw, folder) for name in CONTENDERS}
            for _ in range(arguments.rounds)
        ]
    best = {n: min((one[n] for one in rounds), key=lambda m: m.cpu_seconds) for n in CONTENDERS}
    write_section("Cleaning a declared source", to_markdown(best))


if __name__ == "__main__":
    main()
