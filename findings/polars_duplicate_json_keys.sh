#!/usr/bin/env bash
# polars 2.1.0: of a key that a JSON message holds twice, one reader takes the first, one the last.
#
# Likely guess: one library has one rule, and it is that of the json module (the last one wins).
# Behaviour: `read_ndjson` and `str.json_decode` take the first value, `str.json_path_match` the last.
#   orjson 3.13.0 takes the last; in duckdb 2.0.0 `json_extract` takes the first. So an amount that is
#   given twice is scored as one number and audited as another.
# Output seen:
#   polars read_ndjson 1, json_decode 1, json_path_match 2
#   orjson 2, duckdb json_extract 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 orjson==3.13.0 duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import duckdb
import orjson
import polars as pl

message = "{\"amount\": 1, \"amount\": 2}"
line = pl.read_ndjson(io.BytesIO(message.encode() + b"\n"))["amount"][0]
texts = pl.Series([message])
decoded = texts.str.json_decode(pl.Struct({"amount": pl.Int64}))[0]["amount"]
path = texts.str.json_path_match("$.amount")[0]
print(f"polars read_ndjson {line}, json_decode {decoded}, json_path_match {path}")
last = orjson.loads(message)["amount"]
first = duckdb.execute("select json_extract(?, ?)", [message, "$.amount"]).fetchone()[0]
print(f"orjson {last}, duckdb json_extract {first}")
assert (line, decoded, path, last, first) == (1, 1, "2", 2, "1"), "the behaviour has changed"
PYTHON
