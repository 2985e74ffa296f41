"""One dirty drop in several formats: the general reader gives the oracle's rows in each of them."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import drop as drop_module
from fraud_platform.contracts.data_set import DataSet, DropFormat, Key, Label, Money, Time
from fraud_platform.contracts.drops import COLUMNS, MISSPELT_TRANSACTION_ID
from fraud_platform.datasets.handbook import DATA_SET
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles.drop_text import Publish
from fraud_platform_tests.oracles.lake_tables import (
    assert_equals_oracle,
    clean_rows,
    ledger,
    quarantined_rows,
)
from fraud_platform_tests.testing.worlds.declared_lake import Declared

DAY = "2019-08-22"
NAMES = ("id", "at", "card", "shop", "sum", "kind", "fraud")
"""Other names of the columns that are declared."""
PLACES = (0, 1, 2, 3, 4, 8, 7)
"""Where these stand in a line of the Handbook."""
ORDER = (4, 6, 2, 0, 5, 3, 1)
"""In which order they are written."""

Write = Callable[[Sequence[tuple[str, ...]]], bytes]


def declared(drops: DropFormat) -> DataSet:
    """Return the Handbook's data set with columns of other names, in another format."""
    source = replace(
        DATA_SET.source,
        drops=drops,
        transaction_id=Key("transaction_id", "id", is_text=False),
        booked=Time(("at",), "%Y-%m-%d %H:%M:%S", "UTC", None),
        amount=Money("sum", "EUR", 2),
        customer=Key("customer", "card", is_text=False),
        counterparty=Key("terminal", "shop", is_text=False),
        label=Label("fraud", 7, "kind", ("amount", "terminal", "customer")),
    )
    return replace(DATA_SET, source=source, fits_fast_parser=False)


def dirty_text(folder: Path) -> bytes:
    """Return a simulated month with a thousand times the dirt of the original series.

    Lines with dirt in the two columns that the data set does not declare are left out.
    """
    config = replace(
        SimulationConfig.original_series(),
        first_day=date.fromisoformat(DAY), customers=60, dirt=DirtRates().scaled(1_000),
    )  # fmt: skip
    simulate_drops(config, folder, kept_days=0)
    lines = (folder / f"{DAY}.txt").read_bytes().split(b"\n")
    fields = [line.split(b",") for line in lines]
    return b"\n".join(
        line
        for line, found in zip(lines, fields, strict=True)
        if len(found) != len(COLUMNS) or (found[5].strip().isdigit() and found[6].strip().isdigit())
    )


def as_csv(rows: Sequence[tuple[str, ...]]) -> bytes:
    lines = [NAMES, *rows]
    texts = [";".join(f'"{line[place]}"' for place in ORDER) + ";more" for line in lines]
    return "\r\n".join(texts).encode()


def as_json(rows: Sequence[tuple[str, ...]]) -> bytes:
    objects = [{NAMES[place]: row[place] for place in ORDER} for row in rows]
    return "\n".join(json.dumps(one) for one in objects).encode()


def as_parquet(rows: Sequence[tuple[str, ...]]) -> bytes:
    out = io.BytesIO()
    columns = dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_the_drop_as_it_is_gives_the_oracles_rows(
    publish: Publish, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_module, "SMALLEST_RANGE_BYTES", 100_000)
    names = (MISSPELT_TRANSACTION_ID, *COLUMNS[1:])
    source = replace(
        DATA_SET.source,
        drops=DropFormat("text", "{day}.txt", header="commented", names=names),
        transaction_id=Key("transaction_id", MISSPELT_TRANSACTION_ID, is_text=False),
    )
    text = dirty_text(tmp_path / "simulated")
    expected = oracle.clean_drops({DAY: text})
    assert len({row[0] for row in expected[DAY].quarantined}) >= 7
    publish(DAY, text, data_set=replace(DATA_SET, source=source, fits_fast_parser=False))
    assert_equals_oracle(lake, expected)


@pytest.mark.parametrize(
    ("drops", "write"),
    [
        (DropFormat("csv", "{day}.csv", ";"), as_csv),
        (DropFormat("json_lines", "{day}.jsonl"), as_json),
        (DropFormat("parquet", "{day}.parquet"), as_parquet),
    ],
    ids=["csv", "json_lines", "parquet"],
)
def test_renamed_reordered_columns_in_another_format_give_the_oracles_rows(
    publish: Publish, lake: Lake, tmp_path: Path, drops: DropFormat, write: Write
) -> None:
    text = dirty_text(tmp_path / "simulated")
    header, *lines = text.split(b"\n")
    kept = [line for line in lines if line.count(b",") == 8 and line.isascii()]
    rows = [tuple(line.decode().split(",")[place] for place in PLACES) for line in kept]
    expected = oracle.clean_drops({DAY: b"\n".join([header, *kept])})[DAY]

    publish(DAY, write(rows), data_set=declared(drops))

    assert clean_rows(lake, DAY) == expected.clean
    found = Counter((row[1], row[3]) for row in quarantined_rows(lake, DAY).elements())
    assert found == Counter((row[1], row[3]) for row in expected.quarantined.elements())
    assert len({row[0] for row in expected.quarantined}) >= 6
    mark = ledger(lake)[DAY]
    repairs = {name: mark[f"repaired_{name}"] for name in ("midnight_24h", "rounded_amount")}
    assert Counter(repairs) == expected.repairs
    assert mark["rows_read"] == len(rows) == mark["rows_clean"] + mark["rows_quarantined"]


TEXT_KEYS = """
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv", delimiter=";")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("sum", currency="EUR")
    card = entity("card", partitions_topic=True)
    shop = entity("shop")
    fraud = fraud_label(
        "fraud", delay="7d", kind="kind", kinds=("amount", "terminal", "customer")
    )

FEATURES = [feature("amount", Payment.amount)]
"""


def test_keys_of_text_give_the_oracles_rows(tmp_path: Path) -> None:
    """An integer that is negative or too long is a fine text, so rows with such keys are left out.

    So are ids with different contents: the smallest contents are kept, which surrogates reorder.
    """
    text = dirty_text(tmp_path / "simulated")
    header, *lines = text.split(b"\n")
    kept = [
        line
        for line in lines
        if line.count(b",") == 8
        and line.isascii()
        and all(line.split(b",")[place].isdigit() for place in (0, 2, 3))
    ]
    everything = oracle.clean_drops({DAY: b"\n".join([header, *kept])})[DAY].quarantined
    unclear = {row[3] for row in everything if row[0] == "conflicting_duplicate_id"}
    kept = [line for line in kept if int(line.split(b",")[0]) not in unclear]
    rows = [tuple(line.decode().split(",")[place] for place in PLACES) for line in kept]
    expected = oracle.clean_drops({DAY: b"\n".join([header, *kept])})[DAY]
    world = Declared(tmp_path, TEXT_KEYS)
    named = [(f"id {row[0]}", row[1], f"card {row[2]}", f"shop {row[3]}", *row[4:]) for row in rows]
    (world.landing / f"payments_{DAY}.csv").write_bytes(as_csv(named))

    _, mark = world.publish()

    words = {(row["field"], row["code"]): row["text"] for row in world.rows("texts")}
    found = [
        (
            int(row["transaction_key"].removeprefix("id ")),
            row["tx_datetime"],
            int(words["customer_id", row["customer_id"]].removeprefix("card ")),
            int(words["terminal_id", row["terminal_id"]].removeprefix("shop ")),
            row["amount_cents"],
            row["is_fraud"],
            row["fraud_scenario"],
        )
        for row in world.rows("transactions")
    ]
    assert sorted(found) == expected.clean
    reasons = Counter(tuple(row["reasons"]) for row in world.rows("quarantine"))
    assert reasons == Counter(row[1] for row in expected.quarantined.elements())
    assert mark["rows_read"] == len(rows) == mark["rows_clean"] + mark["rows_quarantined"]
