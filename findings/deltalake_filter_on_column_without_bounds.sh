#!/usr/bin/env bash
# deltalake 1.6.6 with pyarrow 25.0.1: a filter on a column without bounds in a file's statistics
# returns none of the file's rows. An added column `is null` for no older row.
#
# Likely guess: statistics only let a reader skip files. A file without bounds of a column is read,
#   and a row of a file that was written before a column came has null in it.
# Behaviour: the dataset's guarantee for the file becomes `s >= null and s <= null`, so pyarrow takes
#   every filter on the column as false and skips the file, without an error. Bounds are missing if
#   the table's property that chooses the columns with statistics was changed, or a column was added
#   after the file was written. SQL of deltalake (DataFusion) returns the rows.
# Output seen:
#   before the property is changed, s > 0: dataset 2, pandas 2, SQL 2
#   after it is changed, s > 0:            dataset 0, pandas 0, SQL 2
#   rows without a value of the added column: dataset 0, in memory 10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    deltalake==1.6.6 pyarrow==25.0.1 pandas==2.3.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, QueryBuilder, write_deltalake

ids = pa.array(range(10), pa.int64())
rows = pa.table({"id": ids, "s": pa.array([0] * 8 + [3] * 2, pa.int64())})
write_deltalake("changed", rows, configuration={"delta.dataSkippingNumIndexedCols": "1"})


def count():
    table = DeltaTable("changed")
    dataset = table.to_pyarrow_dataset().to_table(filter=ds.field("s") > 0).num_rows
    frame = len(table.to_pandas(filters=[("s", ">", 0)]))
    sql = QueryBuilder().register("t", table).execute("select s from t where s > 0").read_all()
    return dataset, frame, pa.table(sql).num_rows


before = count()
DeltaTable("changed").alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "32"})
after = count()

write_deltalake("added", pa.table({"id": ids}))
later = pa.table({"id": pa.array(range(10, 20), pa.int64()), "c": ids})
write_deltalake("added", later, mode="append", schema_mode="merge")
added = DeltaTable("added").to_pyarrow_dataset()
without = added.to_table(filter=ds.field("c").is_null()).num_rows
in_memory = added.to_table()["c"].null_count

words = "s > 0: dataset {}, pandas {}, SQL {}"
print("before the property is changed,", words.format(*before))
print("after it is changed,", words.format(*after))
print(f"rows without a value of the added column: dataset {without}, in memory {in_memory}")
assert before == (2, 2, 2) and after == (0, 0, 2), "the behaviour has changed"
assert (without, in_memory) == (0, 10), "the behaviour has changed"
PYTHON
