"""A small world that any Spark can work on, and what must come out the same everywhere.

Here: drops and a stream, client processes on a Spark URL, a Python without the platform, tables
as they are compared.
Not here: clusters and servers (`testing.servers`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandas.testing

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.clock_tables import DROP_DAYS, FEATURE_DAYS
from fraud_platform.contracts.model_tables import AB_REPORT, PROMOTION_HISTORY
from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
    TableContract,
)
from fraud_platform.operations.live.drop_rows import rows_of_file
from fraud_platform.settings import Settings
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.simulation.stream import transaction_messages
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.tables.scoring import INFERENCE_PLANS, SCORED, SCORING_STATE
from fraud_platform.tables.training import TRAINING_SET
from fraud_platform_tests.testing.defaults import unpacking

ROOT = Path(__file__).parents[3]
COMPARED = (
    TRANSACTIONS, QUARANTINE, DROP_LABELS, LABEL_TILES, TERMINAL_TILES, CUSTOMER_TILES,
    TRANSACTION_FEATURES, SCORED,
)  # fmt: skip
OF_WHOLE_RUN = (
    *COMPARED, CLEANING_LEDGER, DROP_DAYS, FEATURE_DAYS, TRAINING_SET, AB_REPORT, PROMOTION_HISTORY,
    SCORING_STATE, INFERENCE_PLANS,
)  # fmt: skip
_BY_CLOCK = [
    "produced_at", "scored_at", "micro_batch", "state_version", "source_partition", "source_offset",
    "run_id", "cleaned_at", "built_at", "decided_at", "decided_by", "planned_at", "topic",
    "topic_id", "publication", "raw_path", "published_path", "transactions_version", "model_record",
]  # fmt: skip
"""Columns that differ between two runs of the same thing, wherever they run."""


@dataclass(frozen=True)
class SparkWorld:
    """A drop to clean and a drop to stream.

    Attributes:
        landing: folder of the first.
        streamed: file of the second.
        rows: how many rows of it are streamed.
        days: first and last day of the first.
        model: folder of a trained model.
    """

    landing: Path
    streamed: Path
    rows: int
    days: tuple[date, date]
    model: Path

    def carry_out(self, settings: Settings, **variables: str) -> dict[str, pd.DataFrame]:
        """Clean, build features and score on the Spark of these settings; return the tables."""
        first, last = self.days
        client(
            settings,
            "build",
            str(self.landing),
            str(first),
            str(last),
            limit=CLIENT_SECONDS,
            **variables,
        )
        produce_rows(settings, self.streamed, self.rows)
        as_of = str(last + timedelta(days=1))
        client(settings, "score", str(self.model), as_of, limit=CLIENT_SECONDS, **variables)
        return tables_of(settings, COMPARED)

    def run_everything(self, settings: Settings, **variables: str) -> WholeRun:
        """Let Dagster run all that drops and stream make due on the Spark of these settings."""
        Path(settings.landing).mkdir(parents=True)
        for path in self.landing.iterdir():
            shutil.copy(path, settings.landing)
        arguments = ("run_everything", str(self.streamed), str(self.rows))
        printed = client(settings, *arguments, limit=1500, **variables)
        return WholeRun(**json.loads(printed.splitlines()[-1]))


@dataclass(frozen=True)
class WholeRun:
    """What `run_everything` of a client process printed.

    Attributes:
        runs: job, success and error of each run.
        ended: why the Kafka sensor asked for no more runs.
        plans: number of plans of Spark Connect.
        deepest: depth of the deepest of them.
    """

    runs: list[dict[str, Any]]
    ended: str
    plans: int
    deepest: int

    def require_success(self) -> None:
        """Assert that each kind of run took place, and that all succeeded."""
        assert [run for run in self.runs if not run["success"]] == []
        jobs = {run["job"] for run in self.runs}
        wanted = {"load_drop", "build_days", "decide_week", "build_state", "score_transactions"}
        assert jobs >= wanted, self.ended
        assert self.ended.startswith("nothing new"), self.ended


def whole_world(folder: Path) -> SparkWorld:
    """Return two dirty drops that are enough for a champion, and a third to stream."""
    config = SimulationConfig(
        customers=300, terminals=300, days=66, drop_days=22, compromised_terminals_per_day=1,
        dirt=DirtRates().scaled(300),
    )  # fmt: skip
    simulate_drops(config, folder / "landing", None)
    *landed, streamed = sorted((folder / "landing").glob("*.txt"))
    first = date.fromisoformat(landed[0].stem)
    streamed = streamed.rename(folder / streamed.name)
    return SparkWorld(folder / "landing", streamed, 1_500, (first, first), folder)


def produce_rows(settings: Settings, streamed: Path, rows: int) -> None:
    """Send the first rows of a drop's file to the topic of these settings."""
    made = transaction_messages(rows_of_file(streamed, unpacking())[0].head(rows))
    producer = IdempotentProducer(KafkaConnection.from_settings(settings))
    producer.send_many(settings.transactions_topic, made.keys, made.values)
    assert producer.finish().acked == len(made.keys)


def tables_of(settings: Settings, tables: Sequence[TableContract]) -> dict[str, pd.DataFrame]:
    """Return tables of a lake, sorted and without the columns that differ in each run."""
    lake = Lake(settings.lake)
    return {table.name: _comparable(lake, table) for table in tables}


def simulated_world(folder: Path, model: Path) -> SparkWorld:
    """Return a world of a few thousand dirty rows."""
    config = SimulationConfig(
        customers=300, terminals=200, days=24, drop_days=12, dirt=DirtRates().scaled(300)
    )
    simulate_drops(config, folder / "all", None)
    first, second = sorted((folder / "all").glob("*.txt"))
    (folder / "landing").mkdir()
    landed = first.rename(folder / "landing" / first.name)
    day = date.fromisoformat(landed.stem)
    return SparkWorld(landed.parent, second, 1_500, (day, day + timedelta(days=11)), model)


def real_world(drops: Path, folder: Path, model: Path) -> SparkWorld:
    """Return the first real drop, and a part of the second as a stream."""
    first, second, *_ = sorted(drops.glob("*.txt*"))
    folder.mkdir()
    (folder / first.name).symlink_to(first)
    day, next_day = (date.fromisoformat(path.name.split(".")[0]) for path in (first, second))
    return SparkWorld(folder, second, 30_000, (day, next_day - timedelta(days=1)), model)


CLIENT_SECONDS = 600.0


def client(
    settings: Settings, *arguments: str, limit: float = CLIENT_SECONDS, **variables: str
) -> str:
    """Run a client process to its end and return what it printed."""
    process = start_client(settings, *arguments, **variables)
    output, _ = process.communicate(timeout=limit)
    assert process.returncode == 0, output[-3000:]
    return output


def start_client(settings: Settings, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a client process in a session of its own."""
    module = "fraud_platform_tests.testing.programs.spark"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **settings.environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def places(settings: Settings, **variables: str) -> set[tuple[str, str]]:
    """Return where executors find the platform's code, and the prefix of their Python."""
    lines = client(settings, "locate", limit=CLIENT_SECONDS, **variables).splitlines()
    return {tuple(pair) for pair in json.loads(lines[-1])}


def bare_python(folder: Path) -> Path:
    """Return a Python that has every library of this one, but not the platform.

    A path file names this Python's libraries; path files among those, which make an editable
    install importable, are not followed.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    libraries = sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(libraries) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    python = folder / "bin" / "python"
    asked = "import numpy, pyspark, importlib.util as u; print(u.find_spec('fraud_platform'))"
    done = subprocess.run(
        [python, "-c", asked], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
    return python


def assert_equal(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    """Compare all tables in every bit."""
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert len(rows), f"{name} is empty: the comparison would say nothing"
        pandas.testing.assert_frame_equal(found[name], rows, check_exact=True, obj=f"table {name}")


def _comparable(lake: Lake, table: TableContract) -> pd.DataFrame:
    rows = lake.read_arrow(table).to_pandas()
    rows = rows.drop(columns=[name for name in _BY_CLOCK if name in rows])
    for name in rows.select_dtypes("object"):
        rows[name] = rows[name].map(lambda v: tuple(v) if isinstance(v, np.ndarray) else v)
    spelt = [repr(row) for row in rows.itertuples(index=False)]
    order = sorted(range(len(rows)), key=spelt.__getitem__)
    return rows.iloc[order].reset_index(drop=True)
