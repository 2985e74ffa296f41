#!/usr/bin/env bash
# confluent-kafka 2.16.1 (librdkafka 2.16.0): a paused partition stays paused over a new assignment.
#
# Likely guess: `assign`, or `unassign` and `assign`, starts to read each partition that it names;
#   pause and resume belong to the assignment that they were called in.
# Behaviour: the client keeps the pause for the partition until `resume`, also if the partition left
#   the assignment in between. A reader that assigns a paused partition again waits for it for ever,
#   and nothing reports why: the assignment and the positions look right.
# Output seen (messages by partition):
#   assigned:                  {0: 3, 1: 3}
#   1 paused, assigned again:  {0: 3, 1: 0}
#   unassigned, then assigned: {0: 3, 1: 0}
#   1 left out once, assigned: {0: 3, 1: 0}
#   resumed, assigned:         {0: 3, 1: 3}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check confluent-kafka==2.16.1
cd "$folder"
timeout 120 "$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import time

from confluent_kafka import Consumer, Producer, TopicPartition

MESSAGES = 3
producer = Producer({"test.mock.num.brokers": 1})
broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
for number in range(2 * MESSAGES):
    producer.produce("payments", b"x", partition=number % 2)
assert producer.flush(10) == 0
consumer = Consumer(
    {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "reader",
     "enable.auto.commit": False}
)
both = [TopicPartition("payments", 0, 0), TopicPartition("payments", 1, 0)]


def read(words):
    seen, deadline = {0: 0, 1: 0}, time.monotonic() + 5
    while time.monotonic() < deadline and sum(seen.values()) < 2 * MESSAGES:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            seen[message.partition()] += 1
    print(f"{words:26} {seen}")
    return seen


consumer.assign(both)
found = [read("assigned:")]
consumer.pause([both[1]])
consumer.assign(both)
found.append(read("1 paused, assigned again:"))
consumer.unassign()
consumer.assign(both)
found.append(read("unassigned, then assigned:"))
consumer.assign(both[:1])
consumer.poll(1)
consumer.assign(both)
found.append(read("1 left out once, assigned:"))
consumer.resume([both[1]])
consumer.assign(both)
found.append(read("resumed, assigned:"))
consumer.close()
whole, half = {0: MESSAGES, 1: MESSAGES}, {0: MESSAGES, 1: 0}
assert found == [whole, half, half, half, whole], "the behaviour has changed"
PYTHON
