#!/usr/bin/env bash
# deltalake 1.6.6 with pyarrow 25.0.1: an infinite value in a float column hides its whole file.
#
# Likely guess: a filter on a Delta table returns the rows that the same filter returns in memory.
# Behaviour: JSON statistics cannot hold an infinity, so the log holds no maximum (or minimum) for the
#   file. `to_pyarrow_dataset` takes the missing bound for "all values are null" and skips the file.
#   A ratio feature that divides by zero is enough. The SQL engine of the same package reads the row.
# Output seen:
#   in memory x < 5:          [0, 1]
#   to_pyarrow_dataset x < 5: []
#   QueryBuilder x < 5:       [0, 1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, QueryBuilder, write_deltalake

rows = pa.table({"id": [0, 1], "x": pa.array([1.0, float("-inf")])})
write_deltalake("table", rows)
table = DeltaTable("table")
memory = rows.filter(ds.field("x") < 5)["id"].to_pylist()
dataset = table.to_pyarrow_dataset().to_table(filter=ds.field("x") < 5)["id"].to_pylist()
query = QueryBuilder().register("t", table).execute("select id from t where x < 5").read_all()
sql = pa.table(query)["id"].to_pylist()
print(f"in memory x < 5:          {memory}")
print(f"to_pyarrow_dataset x < 5: {dataset}")
print(f"QueryBuilder x < 5:       {sql}")
assert (memory, dataset, sql) == ([0, 1], [], [0, 1]), "the behaviour has changed"
PYTHON
