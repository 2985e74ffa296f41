"""Rows and messages of the declared data set `testing.data_sets.payments`.

Here: `payments`, the texts of rows; `message`, `messages`, those rows as JSON.
Not here: the declaration (`testing.data_sets`), streams through a broker (`testing.worlds.parity`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from fraud_platform.contracts.source_language.loading import load_data_set
from fraud_platform_tests.testing import data_sets

PAYMENTS_FILE = Path(data_sets.__file__).with_name("payments.py")
PAYMENTS = load_data_set(str(PAYMENTS_FILE))
SOURCE = PAYMENTS.source
TEXTS = {"payment", "day", "time", "card", "shop", "trade"}
"""Columns that are texts in JSON."""
_TRADES = ("food", "fuel", "travel", "Bücher & Papier", 'café "central"', "5411")


def payments(
    count: int,
    first_day: datetime,
    days: float = 1.0,
    seed: int = 0,
    cards: int = 60,
    shops: int = 30,
) -> pl.DataFrame:
    """Return rows in stream order as texts of the columns of a drop; no two have the same time."""
    random = np.random.default_rng(seed)
    offsets = np.sort(random.choice(int(days * 86_400), count, replace=False))
    moments = [
        datetime.fromtimestamp(first_day.timestamp() + int(offset), UTC) for offset in offsets
    ]
    shop = random.integers(0, shops, count)
    is_fraud = random.random(count) < np.where(shop < 4, 0.3, 0.01)
    names = random.permutation(count)
    columns = {
        "payment": [f"{seed}-{n:08x}-é" for n in names.tolist()],
        "day": [f"{moment:%Y-%m-%d}" for moment in moments],
        "time": [f"{moment:%H:%M:%S}" for moment in moments],
        "card": [f"tok_{n:04d}" for n in random.integers(0, cards, count).tolist()],
        "shop": [f"Shop No. {n}, Sons" for n in shop.tolist()],
        "trade": [_TRADES[n] for n in random.integers(0, len(_TRADES), count).tolist()],
        "amt": [f"{amount:.2f}" for amount in np.exp(random.normal(3, 1.2, count)) + 0.01],
        "inhabitants": [str(n) if n % 7 else "" for n in random.integers(1, 90_000, count)],
        "latitude": [f"{x:.5f}" for x in random.uniform(-60, 60, count)],
        "is_fraud": [str(int(fraud)) for fraud in is_fraud],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def message(row: Mapping[str, str], **changes: str | None) -> bytes:
    """Return a row as a message.

    Args:
        changes: other JSON texts by column; None removes the column.
    """
    fields = []
    for column, name in SOURCE.sent_names.items():
        plain = json.dumps(row[column], ensure_ascii=False) if column in TEXTS else row[column]
        text = changes.get(column, plain or "null")
        if text is not None:
            fields.append(f"{json.dumps(name)}: {text}")
    return ("{" + ", ".join(fields) + "}").encode()


def messages(rows: pl.DataFrame) -> tuple[list[bytes], list[bytes]]:
    """Return keys and values of rows."""
    return [card.encode() for card in rows["card"]], [*_values(rows)]


def _values(rows: pl.DataFrame) -> Iterator[bytes]:
    for row in rows.iter_rows(named=True):
        yield message(row)
