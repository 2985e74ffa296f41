"""Features of a source without declared ones, and the example of a whole declaration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.source_language.loading import load_data_set
from fraud_platform.features.compute.at_once import features_at_once
from fraud_platform.features.live.state import LiveState

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "docs" / "examples" / "sparkov.py"
HOUR, START = 3600, 423_000 * 3600
FEWEST = """from fraud_platform.declare import *
class P(Source):
    drops = csv("{day}.csv")
    messages = json()
    key = identifier("key")
    booked = timestamp("booked")
    amount = money("amount", currency="JPY", digits=0)
    client = entity("client", partitions_topic=True)
    till = entity("till")
    fraud = fraud_label("fraud")
FEATURES = default_features(P)
"""


def rows_of(names: tuple[str, ...]) -> Transactions:
    random = np.random.default_rng(8)
    size = 400
    return Transactions(
        np.arange(size), random.integers(0, 5, size), random.integers(0, 9, size),
        START + np.sort(random.integers(0, 900 * HOUR, size)), random.integers(1, 90_000, size),
        {name: random.integers(1, 6, size) for name in names},
    )  # fmt: skip


def declaration_files(tmp_path: Path) -> dict[str, Path]:
    """Return the example as it is, with default features, and the source of fewest columns."""
    text = EXAMPLE.read_text()
    neutral = text[: text.index("P, hour, large")] + "FEATURES = default_features(Payment)\n"
    files = {"neutral.py": neutral, "fewest.py": FEWEST}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return {"example": EXAMPLE} | {name: tmp_path / name for name in files}


@pytest.mark.parametrize("name", ["example", "neutral.py", "fewest.py"])
def test_features_have_a_value_for_every_row_and_the_same_bits_live(
    tmp_path: Path, name: str
) -> None:
    data_set = load_data_set(str(declaration_files(tmp_path)[name]))
    rows = rows_of(data_set.source.fact_names)
    genuine = np.zeros(rows.hour.size, np.int64)
    found = features_at_once(data_set.declaration, rows, genuine)
    assert np.isfinite(found).all()
    constant = [
        n for n, column in zip(data_set.chosen, found.T, strict=True) if np.ptp(column) == 0
    ]
    by_value = ("large_", "hours_since_large_")  # of categories that these rows do not have
    assert all("fraud" in n or n.startswith(by_value) for n in constant), constant
    live = LiveState(data_set.declaration).score(rows).features
    unlabelled = [n for n in data_set.chosen if "fraud" not in n and "known" not in n]
    for feature in unlabelled:
        place = data_set.declaration.names.index(feature)
        assert live[feature].tobytes() == found[:, place].tobytes(), feature


def test_the_example_is_short_and_positions_give_distances(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60
    neutral = load_data_set(str(declaration_files(tmp_path)["neutral.py"]))
    assert "own_to_merch_km" in neutral.chosen
    assert {"category", "same_category_30d", "new_merchant"} <= set(neutral.chosen)
    assert {f.name: f.keep for f in neutral.declaration.features}["category"] == 64
