"""docs/new_feature.md done as written: scoring goes on, and no other score changes.

The newer code is a copy of the package with the page's own lines in it, run as processes.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.newer_code import (
    NEW_FLAG,
    NEW_NAMES,
    ROOT,
    environment_of,
    make_newer_code,
    run,
)
from fraud_platform_tests.testing.worlds.follower import FOLLOW, scored_ids
from fraud_platform_tests.testing.worlds.live import Live, until
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

SENT = mixed_stream(stream_rows(900, seed=12))
PARTS = {"before": SENT[:300], "with it": SENT[300:600], "back": SENT[600:]}


@contextmanager
def following(code: Path, live: Live, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `score --follow` of a root's code until the block ends."""
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", FOLLOW, "score", "--follow"],
            env=environment_of(code, live.settings.environment),
            cwd=code,
            stdout=log_file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "following" in log.read_text() or process.poll() is not None, 90)
        assert process.poll() is None, log.read_text()
        yield process
        process.send_signal(signal.SIGTERM)
        # the child that reports may only just have started
        assert process.wait(120) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def scores(lake: Lake) -> pa.Table:
    """Return what every row was given, but when and where."""
    names = [
        c.name
        for c in SCORED.columns
        if c.type in ("float", "double") or c.name in ("transaction_id", "is_alert", "reasons")
    ]
    return lake.read_arrow(SCORED, columns=names).sort_by("transaction_id")


def score_all(live: Live, code: dict[str, Path], log: Path) -> None:
    """Let a follower of each part's code score the part; messages come while it restarts."""
    sent: list[Sent] = []
    for part, messages in PARTS.items():
        live.produce(messages[:100])
        with following(code[part], live, log.with_suffix(f".{part.replace(' ', '_')}")):
            live.produce(messages[100:])
            sent += messages
            wait_for_scores(live, sent)


def score_by_one(live: Live, log: Path) -> None:
    """Let one follower of this code score the same parts, without a restart."""
    sent: list[Sent] = []
    with following(ROOT, live, log):
        for messages in PARTS.values():
            live.produce(messages)
            sent += messages
            wait_for_scores(live, sent)


def wait_for_scores(live: Live, sent: list[Sent]) -> None:
    count = len(scored_ids(sent))
    until(lambda: scores(live.platform.lake).num_rows >= count, 60)


def test_scoring_goes_on_with_the_same_scores(live: Live, tmp_path: Path) -> None:
    newer = make_newer_code(tmp_path / "newer", with_flag=True)
    log = tmp_path / "follow"
    score_all(live, {"before": ROOT, "with it": newer, "back": ROOT}, log)

    assert judge(live.settings, SENT).problems == []
    lake = live.platform.lake
    rows = lake.open(SCORED).to_pyarrow_table()  # type: ignore[union-attr]
    new = set(scored_ids(PARTS["with it"]))
    for name in (*NEW_NAMES, NEW_FLAG):
        known = rows.filter(rows[name].is_valid())["transaction_id"].to_pylist()
        assert set(known) == new, name

    # the same stream, scored by one process of one code from beginning to end
    mixed = scores(lake)
    shutil.rmtree(live.settings.lake)
    control = _again(live)
    score_by_one(control, tmp_path / "control")
    assert mixed.equals(scores(control.platform.lake))
    assert mixed.num_rows == len(scored_ids(SENT))


def _again(live: Live) -> Live:
    """Return the platform on topics of its own, with nothing scored."""
    import secrets

    from fraud_platform.adapters.kafka.topics import Topics
    from fraud_platform.contracts.messages import topic_specs
    from fraud_platform.settings import Settings
    from fraud_platform_tests.testing.worlds.platform import Platform

    mark = secrets.token_hex(6)
    named = {
        field: f"{field.replace('_', '-')}-{mark}"
        for field in (
            "transactions_topic", "labels_topic", "predictions_topic", "dead_letters_topic",
        )
    }  # fmt: skip
    settings = Settings(**{**live.settings.model_dump(), **named})
    Topics(live.connection).ensure(topic_specs(settings))
    return Live(Platform(settings, live.platform.instance), live.registry)


@pytest.mark.parametrize("with_flag", [False, True])
def test_the_page_gives_code_whose_chosen_features_are_signed_as_before(
    tmp_path: Path, with_flag: bool
) -> None:
    from fraud_platform.contracts.active import feature_signature
    from fraud_platform.datasets.handbook.features import CHOSEN_NAMES

    newer = make_newer_code(tmp_path / "newer", with_flag=with_flag)
    program = (
        "from fraud_platform.contracts.active import FEATURE_NAMES, feature_signature\n"
        "from fraud_platform.datasets.handbook.features import CHOSEN_NAMES\n"
        "print(FEATURE_NAMES[70:], feature_signature(CHOSEN_NAMES), feature_signature())"
    )
    output = run(newer, program)
    assert feature_signature(CHOSEN_NAMES) in output
    assert feature_signature() not in output
    assert str(tuple(NEW_NAMES[: 1 + with_flag])) in output
