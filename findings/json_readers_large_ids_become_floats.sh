#!/usr/bin/env bash
# orjson 3.13.0, duckdb 2.0.0, pyarrow 25.0.1: integers above 64 bits become floats, silently.
#
# Likely guess: a JSON integer stays an integer or is refused; transaction ids may have 20 digits.
# Behaviour: orjson and duckdb round from 2**64 on, pyarrow from 2**63 on, so two ids become equal.
#   The json module of Python keeps them.
# Output seen:
#   9223372036854775808  orjson int    duckdb HUGEINT  pyarrow double
#   18446744073709551616 orjson float  duckdb DOUBLE   pyarrow double
#   two ids of 20 digits that differ in the last one are equal in orjson: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check orjson==3.13.0 duckdb==2.0.0 pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import orjson
from pyarrow import json as arrow_json

found = []
for digits in ("9223372036854775808", "18446744073709551616"):
    text = b"{\"id\": %s}\n" % digits.encode()
    with open("ids.json", "wb") as file:
        file.write(text)
    kinds = (
        type(orjson.loads(text)["id"]).__name__,
        duckdb.sql("select typeof(id) from read_json({0}ids.json{0})".format(chr(39))).fetchall()[0][0],
        str(arrow_json.read_json("ids.json").schema.field("id").type),
    )
    print(f"{digits:20} orjson {kinds[0]:6} duckdb {kinds[1]:8} pyarrow {kinds[2]}")
    found.append(kinds)
equal = orjson.loads(b"40000000000000000001") == orjson.loads(b"40000000000000000002")
print(f"two ids of 20 digits that differ in the last one are equal in orjson: {equal}")
assert found == [("int", "HUGEINT", "double"), ("float", "DOUBLE", "double")], "the behaviour has changed"
assert equal, "the behaviour has changed"
PYTHON
