#!/usr/bin/env bash
# pyspark-client 4.2.0 (Spark Connect) with protobuf 6.33.6: a sum of 51 operators cannot be sent.
#
# Likely guess: an expression that runs on a classic session also runs on Spark Connect; a plan has
#   limits in the thousands, as the nesting of SQL has.
# Behaviour: each binary operator nests two protobuf messages, and protobuf copies messages at most
#   100 deep, so the client itself raises DecodeError, before anything is sent. The same terms in one
#   flat function (`F.when(..).when(..)`, `F.greatest(..)`) have no such limit.
# Output seen:
#   chained operators that pass: 50
#   51 operators: DecodeError: Error parsing message with type 'spark.connect.Expression'
#   500 branches of one CASE pass
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark-client==4.2.0 \
    protobuf==6.33.6 grpcio==1.85.1 grpcio-status==1.85.1 googleapis-common-protos==1.76.0 \
    pandas==2.3.3 pyarrow==25.0.1 numpy==2.4.6 zstandard==0.25.0
cd "$folder"
SPARK_CONNECT_MODE_ENABLED=1 "$folder/venv/bin/python" - <<'PYTHON'
from google.protobuf.message import DecodeError
from pyspark.sql import functions as F


def error_of(column) -> str | None:
    """Make the message that a client would send, and return what goes wrong."""
    try:
        column.to_plan(None)
    except DecodeError as error:
        return f"{type(error).__name__}: {error}"
    return None


def chained(operators: int):
    total = F.col("x")
    for _ in range(operators):
        total = total + F.col("x")
    return total


most = max(n for n in range(1, 200) if error_of(chained(n)) is None)
print(f"chained operators that pass: {most}")
print(f"{most + 1} operators: {error_of(chained(most + 1))}")
case = F.when(F.col("x") < 0, 0)
for n in range(1, 500):
    case = case.when(F.col("x") < n, n)
print(f"500 branches of one CASE {'fail' if error_of(case.otherwise(-1)) else 'pass'}")
assert most < 60, "the behaviour has changed: more operators pass"
assert error_of(case.otherwise(-1)) is None, "the behaviour has changed: a flat CASE fails"
PYTHON
