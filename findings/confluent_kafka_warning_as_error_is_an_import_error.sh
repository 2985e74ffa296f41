#!/usr/bin/env bash
# confluent-kafka 2.16.1 with Apache Kafka 4.4.0: a deprecation warning that is made an error comes out as
# "Module not found", from code that has nothing to do with the warning.
#
# A test suite turns DeprecationWarning into an error (python -W error::DeprecationWarning, or pytest's
# filterwarnings), and asks a broker for the members of a consumer group.
# Likely guess: the call raises DeprecationWarning with its text, as a call in Python does.
# Behaviour: the client's C code gives the warning and does not look at whether it became an error. The call
#   goes on with that error pending, asks the broker, and then fails to import its own class: ImportError.
#   Neither the text of the warning nor its type is in the error or its context.
# Output seen:
#   ignored: 0 groups
#   as an error: ImportError Module not found when looking up confluent_kafka.admin.GroupMetadata
#   its context: None
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
cat > ask.py <<'PYTHON'
import sys
import warnings

from confluent_kafka.admin import AdminClient

warnings.simplefilter(sys.argv[2], DeprecationWarning)
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
admin.list_topics(timeout=60)
try:
    print("ignored:", len(admin.list_groups("a-group", timeout=30)), "groups")
except Exception as error:
    print("as an error:", type(error).__name__, error)
    print("its context:", error.__context__)
PYTHON
found=$(timeout 120 python ask.py "127.0.0.1:$port" ignore 2>> log
    timeout 120 python ask.py "127.0.0.1:$port" error 2>> log)
echo "$found"
[ "$found" = "ignored: 0 groups
as an error: ImportError Module not found when looking up confluent_kafka.admin.GroupMetadata
its context: None" ]
