"""docs/new_feature.md done as written: days are built again and keep their values.

The newer code is a copy of the package with the page's own lines in it, run as processes.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.features.batch.materialize import WRITTEN_TABLES, materialize_days
from fraud_platform.operations.platform_state import write_built_days
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform_tests.oracles.feature_lake import FIRST_DAY, contents, seeded_world, write_world
from fraud_platform_tests.testing.defaults import DEFAULTS
from fraud_platform_tests.testing.newer_code import NEW_FLAG, NEW_NAMES, make_newer_code, run
from fraud_platform_tests.testing.worlds.new_feature import DAYS, LAST_DAY, inputs, scored_by

_PROGRAM = """
import json, sys
from datetime import date, timedelta
from pathlib import Path
import numpy as np
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import days_to_build
from fraud_platform.defs.assets.features import _require_lookback
from fraud_platform.operations.platform_state import read_state, write_built_days
from fraud_platform.operations.models.weeks import _require_built
from fraud_platform.errors import FraudPlatformError
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.scoring.state.recovery import RecoveredState
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.worlds.new_feature import inputs, scored_by

url, first, last, snapshot, home = sys.argv[1:]
lake, first, last = Lake(url), date.fromisoformat(first), date.fromisoformat(last)
rows = dict.fromkeys(inputs(), 1)
results = {"scored": scored_by(lake, snapshot)}

def due():
    built = read_state(lake, Settings(home=Path(home))).built_inputs
    days = days_to_build(inputs(), built, rows, 7)
    return days and [str(day) for day in days]

def refusal(ask, *given):
    try:
        ask(read_state(lake, Settings(home=Path(home))), *given)
    except FraudPlatformError as error:
        return str(error)

middle = first + timedelta(days=6)
results["training"] = refusal(_require_built, first, last)
results["lookback"] = refusal(_require_lookback, middle)
spark = open_session(Settings(home=Path(home), spark_memory="2g"))
results["built"] = []
while days := due():
    results["built"].append(days)
    start, end = map(date.fromisoformat, days)
    assert refusal(_require_lookback, start) is None
    materialize_days(spark, lake, start, end)
    write_built_days(lake, {d: f for d, f in inputs().items() if start <= d <= end}, "newer")
results["training_after"] = refusal(_require_built, first, last)
spark.stop()
print(json.dumps(results))
"""


def test_days_are_built_again_by_the_schedule_and_keep_their_values(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    from fraud_platform_tests.testing.home import STATE

    newer = make_newer_code(tmp_path / "newer", with_flag=True)
    write_world(lake, seeded_world(DAYS, rows=1_500))
    materialize_days(spark, lake, FIRST_DAY, LAST_DAY)
    write_built_days(lake, inputs(), "before")
    snapshot = write_snapshot(
        spark, lake, LAST_DAY + timedelta(days=1), DEFAULTS.duplicate_horizon_days
    )
    before = {table.name: contents(lake, table) for table in WRITTEN_TABLES}
    scored = scored_by(lake, str(snapshot))

    arguments = (lake.url, str(FIRST_DAY), str(LAST_DAY), str(snapshot), str(STATE))
    metadata = json.loads(run(newer, _PROGRAM, *arguments).splitlines()[-1])

    assert {n: metadata["scored"][n] for n in scored} == scored, (
        "a snapshot of before is read by name"
    )
    assert f"found {DAYS - 1} from {FIRST_DAY}" in metadata["training"]
    assert "Build from the earliest such day on" in metadata["lookback"]
    built = [
        (FIRST_DAY + timedelta(days=a), FIRST_DAY + timedelta(days=b)) for a, b in ((0, 6), (7, 11))
    ]
    assert metadata["built"] == [[str(a), str(b)] for a, b in built]
    assert metadata["training_after"] is None
    for table in WRITTEN_TABLES:
        assert (
            contents(lake, table).select(before[table.name].column_names).equals(before[table.name])
        ), table.name
    _new_columns_are_right(lake)


def _new_columns_are_right(lake: Lake) -> None:
    """Against sums of the stored rows themselves, by the hour."""
    rows = lake.open(TRANSACTION_FEATURES).to_pyarrow_table().to_pandas()  # type: ignore[union-attr]
    rows = rows.sort_values(["tx_datetime", "transaction_id"], ignore_index=True)
    hour = rows["tx_datetime"].dt.floor("h")
    share_name, dear_name = NEW_NAMES
    assert rows[[share_name, dear_name, NEW_FLAG]].notna().all().all()
    assert (rows[NEW_FLAG] == (rows["amount_cents"] > 15_000)).all()
    for place in range(0, len(rows), 37):
        row = rows.loc[place]
        window = (
            (rows["customer_id"] == row["customer_id"])
            & (rows.index < place)
            & (hour >= hour[place] - timedelta(days=7))
        )
        total = rows["amount_cents"][window].sum() + row["amount_cents"]
        assert row[share_name] == np.float32(row["amount_cents"] / total)
        assert row[dear_name] == rows[NEW_FLAG][window].sum()
