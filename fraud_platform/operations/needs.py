"""Needs that the lake, the landing zone, the topics, the registry and the machine show.

Here: held drops, waiting promotions, unusable files, gaps in topics, a champion that differs from
the history, a full disk.
Not here: failed requests and halted sensors, which Dagster knows (`defs.pages.needs`), the value
and its text (`fraud_platform.reporting.needs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.open_transactions import uncommitted
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.ledger import HELD
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.errors import DataError, first_line
from fraud_platform.ingest.arrivals import name_complaints
from fraud_platform.operations.doctor import check_disk
from fraud_platform.operations.live.session import topic_now
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.decisions import read_history
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.promotion.history import waiting_candidate
from fraud_platform.reporting.needs import Need
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.scoring.plans import check_topic
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import DEAD_LABELS, LANDING, SCORED, TOPIC_LABELS

_ANSWER_SECONDS = 2.0
_LONG_TRANSACTION_SECONDS = 60.0
_OF_PRODUCER = (
    "Let the producer end its transaction, or abort it: kafka-transactions.sh find-hanging, abort."
)


def lake_needs(lake: Lake) -> list[Need]:
    """Return the needs from the lake alone; this is cheap enough for every tick of a sensor."""
    return [*held_drops(lake), *waiting_decisions(lake)]


def held_drops(lake: Lake) -> Iterator[Need]:
    """Yield the drops that wait for a person's decision."""
    columns = ["drop", "status", "held_because", "cleaned_at"]
    ledger = lake.read_arrow(CLEANING_LEDGER, None, columns).to_pylist()
    for row in sorted(ledger, key=lambda row: row["drop"]):
        if row["status"] == HELD:
            yield Need(
                f"drop {row['drop']}",
                row["cleaned_at"],
                f"is held: {row['held_because']}",
                f'Release it with fraud-platform accept {row["drop"]} --why "...", or send a '
                "mended file of that name.",
                "held",
            )


def waiting_decisions(lake: Lake) -> Iterator[Need]:
    """Yield the promotion that waits for a person's decision."""
    history = read_history(lake)
    version = waiting_candidate(history)
    if version is not None:
        row = next(row for row in reversed(history) if row.model_version == version)
        yield Need(
            f"promotion of version {version}",
            row.decided_at,
            f"waits for a decision on {row.knowledge_date}: {row.reason}",
            f'fraud-platform approve {row.knowledge_date} --why "...", or decline',
            "waits",
        )


def landing_needs(settings: Settings) -> Iterator[Need]:
    """Yield the files in landing whose names do not allow loading them."""
    for complaint in name_complaints(open_zone(settings.landing).list_files()):
        yield Need(f"file {complaint.name}", None, "is not taken", complaint.message, "landing")


def gaps(settings: Settings, lake: Lake) -> Iterator[Need]:
    """Yield the topics on which scoring or landing cannot continue where it stopped."""
    read: list[tuple[str, Callable[[], dict[str, Any]], str]] = []
    if lake.open(SCORED) is not None:
        read.append((settings.transactions_topic, ScoringLog(lake).last, ""))
    if lake.open(TOPIC_LABELS) is not None:
        landed = PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING).results.metadata
        read.append((settings.labels_topic, landed, " --labels"))
    if not read:
        return
    connection = KafkaConnection.from_settings(settings)
    with closing(Topics(connection, answer_seconds=_ANSWER_SECONDS)) as topics:
        if not topics.is_ready(_ANSWER_SECONDS):
            return  # the line of the service reports that Kafka does not run
        for topic, last, option in read:
            last_commit = last()
            try:
                check_topic(
                    topic_now(topics, topic), last_commit.get("topic_id"), offsets_in(last_commit)
                )
            except DataError as error:
                remedy = f'fraud-platform accept-gap{option} --why "..." continues after it.'
                yield Need(f"topic {topic}", None, first_line(str(error)), remedy, "gap")
            waits = uncommitted(connection, topics, topic)
            if waits is not None and waits.seconds > _LONG_TRANSACTION_SECONDS:
                yield Need(f"topic {topic}", waits.since, str(waits), _OF_PRODUCER, "waits")


def champion_needs(settings: Settings, lake: Lake) -> Iterator[Need]:
    """Yield a champion in the registry that differs from the history's."""
    if not read_history(lake):
        return
    champion = find_champion(lake, registry_of(settings))
    if not champion.is_fine:
        expected, _, remedy = champion.words.partition(". ")
        yield Need("champion", None, expected, remedy, "waits")


def machine_needs(settings: Settings) -> Iterator[Need]:
    """Yield resources of the machine that are nearly exhausted, if quick to check."""
    disk = check_disk(settings)
    if disk.level != "ok":
        expected, _, remedy = disk.message.partition(". ")
        yield Need(disk.subject, None, expected, remedy, "machine")
