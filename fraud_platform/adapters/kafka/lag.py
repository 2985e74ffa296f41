"""Lines of `status` about topics: size, lag of scoring, uncommitted messages.

Here: a line for the transactions and one for the other topics.
Not here: asking the broker (`adapters.kafka.topics`, `adapters.kafka.open_transactions`).
"""

from __future__ import annotations

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.open_transactions import uncommitted
from fraud_platform.adapters.kafka.topics import Topics, topics_dated_by_producers
from fraud_platform.contracts.messages import SCORER_GROUP, topic_specs
from fraud_platform.errors import FraudPlatformError
from fraud_platform.settings import Settings

_STATUS_SECONDS = 2.0


def lag_lines(settings: Settings) -> list[str]:
    """Return how many messages each topic holds, how many are not yet scored, and what waits."""
    connection = KafkaConnection.from_settings(settings)
    topics = Topics(connection, answer_seconds=_STATUS_SECONDS)
    lines, others = [], []
    try:
        for spec in topic_specs(settings):
            offsets = topics.offsets(spec.name)
            highs = sum(high for _, high in offsets.values())
            waits = ""
            if spec.name in (settings.transactions_topic, settings.labels_topic):
                found = uncommitted(connection, topics, spec.name)
                waits = f"; {found}" if found else ""
            if spec.name != settings.transactions_topic:
                others.append(f"{spec.name} {highs:,}{waits}")
                continue
            done = topics.group_offsets(SCORER_GROUP, spec.name)
            lag = sum(high - done.get(p, low) for p, (low, high) in offsets.items())
            lines.append(
                f"topic {spec.name}: {len(offsets)} partitions, {highs:,} messages so far, "
                f"{SCORER_GROUP} is {lag:,} behind{waits}"
            )
        lines.append(f"messages so far: {', '.join(others)}")
        lines += topics_dated_by_producers(settings, topics)
    except FraudPlatformError as error:
        lines.append(f"topics: {error}")
    finally:
        topics.close()
    return lines
