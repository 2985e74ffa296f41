#!/usr/bin/env bash
# duckdb 2.0.0: "24:00:00" is a timestamp for the cast and the CSV reader, and not for strptime.
#
# Card processors write midnight as 24:00:00 of the day before.
# Likely guess: a reader either knows 24:00:00 or does not.
# Behaviour: in duckdb the cast and `read_csv` turn it into 00:00:00 of the next day; `strptime` with
#   the same format refuses it. polars 2.1.0 and pyarrow 25.0.1 read the same CSV file, but one such
#   row turns the whole column into text.
# Output seen:
#   duckdb cast:     2019-08-23 00:00:00
#   duckdb strptime: refuses
#   duckdb read_csv: TIMESTAMP 2019-08-23 00:00:00
#   polars read_csv: String
#   pyarrow read_csv: string
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import polars as pl
from pyarrow import csv

text = "2019-08-22 24:00:00"
with open("drop.csv", "w") as file:
    file.write(f"id,t\n1,2019-08-22 23:00:00\n2,{text}\n")
cast = str(duckdb.sql(f"select cast({text!r} as timestamp)").fetchall()[0][0])
parsed = duckdb.sql(f"select try_strptime({text!r}, {chr(39)}%Y-%m-%d %H:%M:%S{chr(39)})").fetchall()[0][0]
read = duckdb.sql("select typeof(t), t from read_csv({0}drop.csv{0}) where id = 2".format(chr(39)))
kind, value = read.fetchall()[0]
polars = str(pl.read_csv("drop.csv", try_parse_dates=True).schema["t"])
arrow = str(csv.read_csv("drop.csv").schema.field("t").type)
print(f"duckdb cast:     {cast}")
print("duckdb strptime:", "refuses" if parsed is None else parsed)
print(f"duckdb read_csv: {kind} {value}")
print(f"polars read_csv: {polars}")
print(f"pyarrow read_csv: {arrow}")
midnight = "2019-08-23 00:00:00"
found = (cast, parsed, kind, str(value), polars, arrow)
assert found == (midnight, None, "TIMESTAMP", midnight, "String", "string"), "the behaviour has changed"
PYTHON
