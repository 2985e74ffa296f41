#!/usr/bin/env bash
# Apache Kafka 4.4.0 with confluent-kafka 2.16.1: one message dated 2 h ahead fails its whole batch.
#
# Producers of payments set a message's time to the time of the payment; one terminal's clock is wrong.
# Likely guess: the broker refuses the message whose time is out of bounds, or takes it as it is; the
#   others of the same producer are stored.
# Behaviour: message.timestamp.after.max.ms is 1 h since Kafka 3.6, and the broker refuses the record
#   batch, so no message of it is stored. The client reports INVALID_TIMESTAMP, which is not retried,
#   for each of them, also for those whose time is right. Which messages are lost depends on how the
#   client gathered them (linger.ms).
# Output seen:
#   refused: 100 INVALID_TIMESTAMP
#   stored in the topic: 0 of 100
#   each message alone: 99 of 100 stored
# Needs Java 17 or later.
set -euo pipefail
folder=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    confluent-kafka==2.16.1 pyspark==4.2.0
cd "$folder"
# Spark's own resolver fetches the broker's jars
echo > empty.py
PATH="$folder/venv/bin:$PATH"
spark-submit --master 'local[1]' --conf spark.jars.ivy="$folder/ivy" \
    --packages org.apache.kafka:kafka_2.13:4.4.0 empty.py > "$folder/log" 2>&1
read -r port other <<< "$(python - <<'PYTHON'
import socket

sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PYTHON
)"
cat > server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$other
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$other
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/data
offsets.topic.replication.factor=1
PROPERTIES
jars="$folder/ivy/jars/*:$(echo "$folder"/venv/lib/python3*/site-packages/pyspark/jars/scala-library-*)"
java -cp "$jars" kafka.tools.StorageTool format -t "$(java -cp "$jars" kafka.tools.StorageTool \
    random-uuid 2>> log)" -c server.properties >> log 2>&1
java -Xmx512m -cp "$jars" kafka.Kafka server.properties >> log 2>&1 &
broker=$!
timeout 120 python - "127.0.0.1:$port" 2>> log <<'PYTHON'
import sys
import time
from collections import Counter

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

server = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(server)
admin.list_topics(timeout=60)
for future in admin.create_topics([NewTopic("gathered", 1, 1), NewTopic("alone", 1, 1)]).values():
    future.result(60)
reader = Consumer({**server, "group.id": "reader"})
now_ms = int(time.time() * 1000)


def sent(topic, linger_ms, gathers):
    """Send 100 messages, the 50th dated 2 h ahead; return the errors and the number stored."""
    errors = Counter()
    producer = Producer({**server, "linger.ms": linger_ms, "retries": 3})
    for number in range(100):
        ahead = 2 * 3_600_000 if number == 50 else 0
        producer.produce(
            topic, b"x", timestamp=now_ms + ahead,
            on_delivery=lambda error, _: errors.update([error.name()] if error else []),
        )
        if not gathers:
            producer.flush(30)
    assert producer.flush(30) == 0
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    return errors, high - low


errors, stored = sent("gathered", 500, True)
print("refused:", ", ".join(f"{count} {name}" for name, count in errors.items()))
print(f"stored in the topic: {stored} of 100")
_, alone = sent("alone", 0, False)
print(f"each message alone: {alone} of 100 stored")
reader.close()
assert errors == {"INVALID_TIMESTAMP": 100}, "the behaviour has changed"
assert (stored, alone) == (0, 99), "the behaviour has changed"
PYTHON
