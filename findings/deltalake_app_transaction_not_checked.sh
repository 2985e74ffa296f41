#!/usr/bin/env bash
# deltalake 1.6.6: a write under an application transaction number that is taken appends once more.
#
# Likely guess: `CommitProperties(app_transactions=[Transaction("app", 1)])` makes a write idempotent,
#   as options txnAppId and txnVersion do in Spark, where the second write is skipped.
# Behaviour: the number is recorded and not compared. Both writes commit, and a lower number replaces
#   a higher one.
# Output seen:
#   rows after two writes under number 2: 2
#   number after a third write under number 1: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake


def write(number):
    properties = CommitProperties(app_transactions=[Transaction("app", number)])
    write_deltalake("table", pa.table({"id": [1]}), mode="append", commit_properties=properties)
    return DeltaTable("table")


write(2)
rows = write(2).to_pyarrow_table().num_rows
number = write(1).transaction_version("app")
print(f"rows after two writes under number 2: {rows}")
print(f"number after a third write under number 1: {number}")
assert (rows, number) == (2, 1), "the behaviour has changed"
PYTHON
