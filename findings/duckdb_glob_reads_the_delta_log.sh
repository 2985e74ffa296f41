#!/usr/bin/env bash
# duckdb 2.0.0, deltalake 1.6.6: a pattern over a Delta table's folder reads its checkpoints too.
#
# Likely guess: `read_parquet('table/**/*.parquet')` reads the table's data files. Names that begin
#   with `_` or `.` are skipped, as Spark, Hive and pyarrow skip them, so on a table without
#   replaced files the count is right.
# Behaviour: `**` also descends into `_delta_log`. As soon as a checkpoint is there, its actions
#   count as rows of the table, without an error, with union_by_name or without. pyarrow's dataset
#   of the same folder skips them. Before the first checkpoint the query was right.
# Output seen:
#   table 6, duckdb before the checkpoint 6, duckdb after it 11, by name 11, pyarrow 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  duckdb==2.0.0 deltalake==1.6.6 pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake

for n in range(3):
    write_deltalake("t", pa.table({"id": [2 * n, 2 * n + 1]}), mode="append")
table = DeltaTable("t").to_pyarrow_table().num_rows


def count(options: str = "") -> int:
    found = duckdb.sql(f"SELECT count(*) FROM read_parquet('t/**/*.parquet'{options})").fetchall()
    return found[0][0]


before = count()
DeltaTable("t").create_checkpoint()
after, by_name = count(), count(", union_by_name=true")
arrow = ds.dataset("t", format="parquet").count_rows()
print(
    f"table {table}, duckdb before the checkpoint {before}, duckdb after it {after}, "
    f"by name {by_name}, pyarrow {arrow}"
)
assert (table, before, arrow) == (6, 6, 6)
assert after > 6 and by_name > 6, "the behaviour has changed"
PYTHON
