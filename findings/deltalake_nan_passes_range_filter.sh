#!/usr/bin/env bash
# deltalake 1.6.6 with pyarrow 25.0.1: a filter `x < 5` returns rows whose x is NaN.
#
# Likely guess: NaN < 5 is false, so the row is left out, as it is in memory.
# Behaviour: the statistics of a file ignore NaN. If the maximum of the other values satisfies the
#   filter, both readers take the filter as true for the whole file and return the NaN row too. The
#   same row in another file, or beside a larger value, is left out: the result depends on how rows
#   were divided into files.
# Output seen:
#   one file, x < 5:  dataset [0, 1], SQL [0, 1]
#   with a 9, x < 5:  dataset [0], SQL [0]
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


def read(name, values):
    rows = pa.table({"id": list(range(len(values))), "x": pa.array(values, pa.float64())})
    write_deltalake(name, rows)
    table = DeltaTable(name)
    dataset = table.to_pyarrow_dataset().to_table(filter=ds.field("x") < 5)["id"].to_pylist()
    query = QueryBuilder().register("t", table).execute("select id from t where x < 5").read_all()
    return dataset, pa.table(query)["id"].to_pylist()


alone = read("alone", [1.0, float("nan")])
larger = read("larger", [1.0, float("nan"), 9.0])
print(f"one file, x < 5:  dataset {alone[0]}, SQL {alone[1]}")
print(f"with a 9, x < 5:  dataset {larger[0]}, SQL {larger[1]}")
assert alone == ([0, 1], [0, 1]) and larger == ([0], [0]), "the behaviour has changed"
PYTHON
