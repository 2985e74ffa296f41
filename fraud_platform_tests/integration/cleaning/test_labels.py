"""From when the labels of a drop count: on time, late, corrected, known from the topic before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import LabelClock
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.tables.scoring import STREAM_LABELS
from fraud_platform_tests.oracles.drop_text import Publish, row, text

A, B = "2019-08-22", "2019-09-22"
BY_VERSION = [("transaction_id", "ascending"), ("version", "ascending")]


def labels_of(lake: Lake, key: int) -> list[tuple[int, bool, int, datetime]]:
    rows = lake.read_arrow(DROP_LABELS, filters=[("transaction_id", "=", key)]).to_pylist()
    return sorted(
        (r["version"], r["is_fraud"], r["fraud_scenario"], r["counts_from"]) for r in rows
    )


def utc(day: int, hour: int = 0, minute: int = 0, month: int = 9) -> datetime:
    return datetime(2019, month, day, hour, minute, tzinfo=UTC)


def test_labels_count_from_the_hour_after_they_are_known(publish: Publish, lake: Lake) -> None:
    publish(A, text(row(1, 1), row(2, 2, label=3)))
    table = lake.read_arrow(DROP_LABELS).to_pylist()
    assert {r["known_at"] for r in table} == {utc(8, 10), utc(9, 10)}
    assert {r["source"] for r in table} == {"drop"}
    assert labels_of(lake, 1) == [(1, False, 0, utc(8, 11))]
    assert labels_of(lake, 2) == [(1, True, 3, utc(9, 11))]


def test_labels_that_land_late_count_from_the_next_midnight_of_the_stream(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1, 1), row(2, 2), row(3, 3)), clock=LabelClock(utc(9, 11)))
    assert labels_of(lake, 1) == [(1, False, 0, utc(10))]
    assert labels_of(lake, 2) == [(1, False, 0, utc(10))]
    assert labels_of(lake, 3) == [(1, False, 0, utc(10, 11))]


def test_a_label_keeps_its_hour_when_its_drop_is_published_again(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1, 1)))
    publish(A, text(row(1, 1), row(2, 1)), clock=LabelClock(utc(20, 5)))
    assert labels_of(lake, 1) == [(1, False, 0, utc(8, 11))]
    assert labels_of(lake, 2) == [(1, False, 0, utc(21))]


def test_corrections_add_versions_that_count_from_the_next_midnight(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1, 1), row(2, 1)))
    publish(A, text(row(1, 1, label=2), row(2, 1)), clock=LabelClock(watermark=utc(22)))
    publish(A, text(row(1, 1, label=1)), clock=LabelClock(utc(25, 1), utc(22)))
    assert labels_of(lake, 1) == [
        (1, False, 0, utc(8, 11)),
        (2, True, 2, utc(23)),
        (3, True, 1, utc(26)),
    ]
    assert labels_of(lake, 2) == []


def test_a_correction_changes_no_day_of_a_drop_where_the_stream_is_behind(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1, 1)))
    publish(A, text(row(1, 1, label=2)), clock=LabelClock(utc(10, 5), utc(22)))
    assert labels_of(lake, 1) == [(1, False, 0, utc(8, 11)), (2, True, 2, utc(23))]


def test_a_correction_before_the_label_is_due_waits_for_its_hour(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(row(1, 28)))
    publish(A, text(row(1, 28, label=2)), clock=LabelClock(watermark=utc(29)))
    due = utc(28, 11) + timedelta(days=7)
    assert labels_of(lake, 1) == [(1, False, 0, due), (2, True, 2, due)]


def topic_labels(*versions: tuple[int, int, int, datetime, datetime]) -> pa.Table:
    """Return labels of the topic: id, version, scenario, known_at, counts_from."""
    rows = [
        {
            "transaction_id": key,
            "is_fraud": scenario > 0,
            "fraud_scenario": scenario,
            "known_at": known_at,
            "counts_from": counts_from,
            "version": version,
            "tx_date": date(2019, 9, 1),
        }
        for key, version, scenario, known_at, counts_from in versions
    ]
    return pa.Table.from_pylist(rows, schema=STREAM_LABELS.arrow_schema)


def test_what_the_topic_told_before_goes_on_counting_as_it_did(
    publish: Publish, lake: Lake
) -> None:
    labels = topic_labels(
        (1, 1, 2, utc(8, 10), utc(8, 11)),
        (2, 1, 0, utc(12, 9), utc(13)),
        (2, 2, 3, utc(14, 9), utc(15)),
        (3, 1, 0, utc(8, 10), utc(8, 11)),
        (9, 1, 0, utc(8, 10), utc(8, 11)),
    )
    asked = []

    def topic_labels_since(day: date) -> pa.Table:
        asked.append(day)
        return labels

    clock = LabelClock(utc(20, 5), utc(1), topic_labels_since)
    content = text(
        row(1, 1, label=2), row(2, 1, label=3), row(3, 1, label=1), row(4, 1), row(5, 28)
    )
    publish(A, content, clock=clock)
    assert asked == [date(2019, 9, 1)]
    assert labels_of(lake, 1) == [(1, True, 2, utc(8, 11))]
    assert labels_of(lake, 2) == [(1, False, 0, utc(13)), (2, True, 3, utc(15))]
    # the drop says something else: it corrects from the next midnight
    assert labels_of(lake, 3) == [(1, False, 0, utc(8, 11)), (2, True, 1, utc(21))]
    # it was not known when its hour came
    assert labels_of(lake, 4) == [(1, False, 0, utc(21))]
    assert labels_of(lake, 5) == [(1, False, 0, utc(28, 11) + timedelta(days=7))]
    assert labels_of(lake, 9) == []
    labelled = lake.read_arrow(DROP_LABELS).sort_by(BY_VERSION)
    rows = labelled.to_pylist()
    assert {r["transaction_id"] for r in rows if r["source"] == "topic"} == {1, 2, 3}
    publish(A, content, clock=LabelClock(utc(22), utc(1), lambda day: topic_labels()))
    assert lake.read_arrow(DROP_LABELS).sort_by(BY_VERSION).equals(labelled)


def test_only_files_that_are_committed_stay_among_the_labels(publish: Publish, lake: Lake) -> None:
    """Labels that were written with the rows, or in vain: the drop was held, or they were known."""
    half_bad = text(row(1, 1), b"not a row\n")
    publish(A, half_bad, max_quarantined_share=0.1)
    assert not label_files(lake)
    publish(A, half_bad, accepted_because="known")
    labels = topic_labels((2, 1, 0, utc(8, 10), utc(8, 11)))
    publish(B, text(row(2, 1)), clock=LabelClock(utc(20), utc(1), lambda day: labels))
    committed = lake.data_files(DROP_LABELS)["path"].to_pylist()
    assert label_files(lake) == sorted(committed)
    assert {path.split("/")[0] for path in committed} == {f"drop={A}", f"drop={B}"}


def test_a_drop_that_was_published_without_a_clean_row_gets_its_labels_later(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(b"not a row\n"))
    publish(A, text(row(1, 1)))
    assert labels_of(lake, 1) == [(1, False, 0, utc(8, 11))]


def label_files(lake: Lake) -> list[str]:
    root = Path(lake.uri(DROP_LABELS))
    return sorted(str(path.relative_to(root)) for path in root.glob("drop=*/*.parquet"))
