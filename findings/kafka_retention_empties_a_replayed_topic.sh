#!/usr/bin/env bash
# Apache Kafka 4.4.0 with confluent-kafka 2.16.1: retention empties a topic of replayed history at once.
#
# A history is produced with its own times, such as the payments of a past month.
# Likely guess: retention.ms (7 days by default) keeps what arrives for 7 days.
# Behaviour: with CreateTime, the default, the age of a message is that of its own timestamp. The next
#   retention check (every 5 minutes; every second here) deletes the active segment too, so messages
#   that were acknowledged are gone, often before a consumer reads them. No error is reported. A topic
#   with LogAppendTime keeps them.
# Output seen:
#   acknowledged: 1000 dated 30 days ago, left after the check: 0
#   with LogAppendTime: 1000 of 1000 left
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
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
PROPERTIES
jars="$folder/ivy/jars/*:$(echo "$folder"/venv/lib/python3*/site-packages/pyspark/jars/scala-library-*)"
java -cp "$jars" kafka.tools.StorageTool format -t "$(java -cp "$jars" kafka.tools.StorageTool \
    random-uuid 2>> log)" -c server.properties >> log 2>&1
java -Xmx512m -cp "$jars" kafka.Kafka server.properties >> log 2>&1 &
broker=$!
timeout 120 python - "127.0.0.1:$port" 2>> log <<'PYTHON'
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

server = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(server)
admin.list_topics(timeout=60)
arrival = {"message.timestamp.type": "LogAppendTime"}
topics = [NewTopic("created", 1, 1), NewTopic("arrived", 1, 1, config=arrival)]
for future in admin.create_topics(topics).values():
    future.result(60)
producer = Producer(server)
errors = []
for number in range(2_000):
    producer.produce(
        ("created", "arrived")[number % 2], b"x",
        timestamp=int(time.time() * 1000) - 30 * 86_400_000,
        on_delivery=lambda error, _: errors.append(error) if error else None,
    )
assert producer.flush(30) == 0 and not errors, errors
reader = Consumer({**server, "group.id": "reader"})


def left(topic):
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    assert high == 1_000
    return high - low


deadline = time.monotonic() + 60
while left("created") and time.monotonic() < deadline:
    time.sleep(0.2)
created, arrived = left("created"), left("arrived")
reader.close()
print(f"acknowledged: 1000 dated 30 days ago, left after the check: {created}")
print(f"with LogAppendTime: {arrived} of 1000 left")
assert (created, arrived) == (0, 1_000), "the behaviour has changed"
PYTHON
