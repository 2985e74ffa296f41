"""A process that works on `testing.data_sets.payments`: live scoring against the batch.

Here: drops of text keys, categories and numbers, a stream with bad and late messages, both engines.
Not here: the test that starts it and judges what it prints (`integration.scoring`).
"""

from __future__ import annotations

import json
import secrets
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import FEATURE_NAMES, SOURCE
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.settings import Settings
from fraud_platform.simulation.stream import bad_messages, with_late_rows
from fraud_platform.simulation.stream_messages import DUPLICATE
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED
from fraud_platform.tables.texts import TEXT_EXCEPTIONS
from fraud_platform.training.candidate import TrainingOptions, train_candidate
from fraud_platform.training.thresholds import Constraints
from fraud_platform_tests.oracles.scoring import read_topic
from fraud_platform_tests.testing.worlds.declared import payments
from fraud_platform_tests.testing.worlds.parity import (
    History,
    Stream,
    differing,
    make_history,
    touched_by,
)
from fraud_platform_tests.testing.worlds.training_rows import labelled_rows

FIRST, SECOND = datetime(2018, 4, 1, tzinfo=UTC), datetime(2018, 5, 16, tzinfo=UTC)

_SHOP = "Shop No. 2, Sons"


def main(home: str, bootstrap: str, engine: str, late: str) -> None:
    """Score the second of two drops from a stream, and compare with the batch; print what differs.

    Args:
        home: a folder for the drops and the lakes.
        bootstrap: the broker.
        engine: `inprocess` or `spark`.
        late: share of the rows that come late.
    """
    folder = Path(home)
    drops = folder / "drops"
    drops.mkdir(parents=True)
    for first, days, count, seed in ((FIRST, 45, 4_500, 1), (SECOND, 12, 1_800, 2)):
        texts = payments(count, first, days=days, seed=seed)
        name = SOURCE.drops.name.format(day=f"{first:%Y-%m-%d}")
        texts.write_csv(drops / name, separator=SOURCE.drops.delimiter)
    spark = open_session(Settings(home=folder / "spark", spark_memory="2g"))
    _give_other_surrogates(Lake(str(folder / "history")))
    history = make_history(spark, folder, [*drops.iterdir()], _model(folder / "model"))
    batch = history.batch(history.with_last_drop(spark, folder))
    mark = secrets.token_hex(6)
    settings = Settings(
        home=folder / "home",
        kafka_bootstrap=bootstrap,
        kafka_partitions=4,
        max_plan_messages=len(history.rows) // 2,
        max_batch_messages=500,
        transactions_topic=f"transactions-{mark}",
        labels_topic=f"labels-{mark}",
        predictions_topic=f"predictions-{mark}",
        dead_letters_topic=f"dlq-{mark}",
    )
    Topics(KafkaConnection.from_settings(settings)).ensure(topic_specs(settings))
    stream = Stream(history, settings, spark)
    rows = with_late_rows(history.rows, float(late), seed=3)
    bad = bad_messages(rows, 0.03, 5)
    stream.produce_labels(history.rows)
    stream.produce(rows, bad)
    stream.score(engine)
    print(json.dumps(_figures(stream, history, batch, rows, Counter(b.reason for b in bad))))
    spark.stop()


def _give_other_surrogates(lake: Lake) -> None:
    """Give a card and a shop other surrogates than their hashes, as if they were shared."""
    rows = [
        {"field": field, "text": text, "code": code, "found_in": "2018-04-01"}
        for field, text, code in (("customer_id", "tok_0003", 3), ("terminal_id", _SHOP, 4))
    ]
    lake.replace_arrow(
        TEXT_EXCEPTIONS, pa.Table.from_pylist(rows, schema=TEXT_EXCEPTIONS.arrow_schema), None, {}
    )


def _model(folder: Path) -> Path:
    rows = labelled_rows(rows_a_day=500, seed=3)
    random = np.random.default_rng(4)
    for name in FEATURE_NAMES:
        rows[name] = random.lognormal(2, 1.5, len(rows)).astype(np.float32)
    rows["amount"] = np.exp(rows["signal"] + 3).astype(np.float32)
    rows["shop_fraud_share_7d"] = random.uniform(0, 0.5, len(rows)).astype(np.float32)
    options = TrainingOptions(
        "xgboost", seed=1, constraints=Constraints(500.0, 0.5, 0.1), chooses=False
    )
    train_candidate(rows, FEATURE_NAMES, options).save(folder)
    return folder


def _figures(
    stream: Stream, history: History, batch: Any, rows: pl.DataFrame, sent: Counter[str]
) -> dict[str, Any]:
    scored, settings = stream.scored(), stream.settings
    lake = Lake(settings.lake)
    late = set(scored.index[scored["is_late"]].tolist())
    touched = set(touched_by(history.rows, late))
    found = differing(scored, batch)
    dead = Counter(lake.read_arrow(DEAD_LETTERS, columns=["reason"])["reason"].to_pylist())
    duplicates = lake.numbered(SCORED, "scoring")
    counted = sum(commit["counts"]["duplicates"] for commit in duplicates.commits())
    texts = {
        row["transaction_id"]: (row["sent:payment"], row["sent:card"], row["sent:shop"])
        for row in rows.iter_rows(named=True)
    }
    others = scored.loc[scored["customer_key"] == "tok_0003", "customer_id"]
    shops = scored.loc[scored["terminal_key"] == _SHOP, "terminal_id"]
    keys = ["transaction_key", "customer_key", "terminal_key"]
    named = {i: tuple(row) for i, row in scored[keys].iterrows()}
    published = {
        (json.loads(m.value() or b"")["transaction_id"], (m.key() or b"").decode())
        for m in read_topic(settings, settings.predictions_topic)
    }
    return {
        "rows": len(scored),
        "plans": stream.plans,
        "late": len(late),
        "touched": len(touched),
        "differing": {name: len(ids) for name, ids in found.items()},
        "untouched": sorted(name for name, ids in found.items() if set(ids) - touched),
        "dead": dict(dead),
        "duplicates": counted,
        "sent": {reason: n for reason, n in sent.items() if reason != DUPLICATE},
        "sent_twice": sent[DUPLICATE],
        "keys": named == texts,
        "exceptions": [sorted(set(others)), sorted(set(shops))],
        "published": published == {(payment, card) for payment, card, _ in texts.values()},
        "distinct": {
            name: int(batch[name].nunique()) for name in [*FEATURE_NAMES, "fraud_probability"]
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
