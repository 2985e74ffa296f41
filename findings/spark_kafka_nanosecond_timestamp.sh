#!/usr/bin/env bash
# pyspark 4.2.0 with spark-sql-kafka 4.2.0: a message with a time in nanoseconds fails every read.
#
# A producer gives time.time_ns() as a message's timestamp, and the topic takes any time
# (message.timestamp.after.max.ms at its limit, the default until Kafka 3.5).
# Likely guess: the timestamp of that message is null or far ahead; a query that does not select
#   `timestamp` reads all values.
# Behaviour: the source converts the timestamp of each record, also if the column is not selected, and
#   raises an error on overflow. The read fails at each attempt, so a batch or a stream does not get
#   beyond the message; no option skips it. The plain client reads all messages.
# Output seen:
#   read by the client: 10 of 10
#   read by Spark, value alone: KafkaIllegalStateException: Record at topic t partition 0 offset 5
#   read by Spark from the message after it: 4
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
timeout 400 python - "127.0.0.1:$port" "$folder/ivy" 2>> log <<'PYTHON'
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pyspark.sql import SparkSession

server = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(server)
admin.list_topics(timeout=60)
anytime = {"message.timestamp.after.max.ms": str(2**63 - 1)}
for future in admin.create_topics([NewTopic("t", 1, 1, config=anytime)]).values():
    future.result(60)
producer = Producer(server)
errors = []
for number in range(10):
    now = time.time_ns() if number == 5 else time.time_ns() // 1_000_000
    producer.produce(
        "t", b"x", timestamp=now,
        on_delivery=lambda error, _: errors.append(error) if error else None,
    )
assert producer.flush(30) == 0 and not errors, errors
reader = Consumer({**server, "group.id": "reader"})
reader.assign([TopicPartition("t", 0, 0)])
read = len(reader.consume(10, timeout=30))
reader.close()
print(f"read by the client: {read} of 10")
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.jars.ivy", sys.argv[2])
    .config("spark.jars.packages", "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0")
    .getOrCreate()
)


def read_by_spark(words, **options):
    """Read the values alone; return how many there are, or the first words of the error."""
    options = {"kafka.bootstrap.servers": sys.argv[1], **options}
    messages = spark.read.format("kafka").options(**options).load()
    try:
        found = str(len(messages.select("value").collect()))
    except Exception as error:
        line = next(line for line in str(error).splitlines() if "Exception: Record" in line)
        found = line.rsplit(".", 1)[0].split(" has timestamp")[0].rsplit("kafka010.", 1)[1]
    print(f"{words}: {found}")
    return found


whole = read_by_spark("read by Spark, value alone", subscribe="t")
rest = read_by_spark(
    "read by Spark from the message after it", subscribe="t", startingOffsets='{"t": {"0": 6}}'
)
spark.stop()
assert (read, rest) == (10, "4"), "the behaviour has changed"
assert whole.startswith("KafkaIllegalStateException"), "the behaviour has changed"
PYTHON
