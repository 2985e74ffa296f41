#!/usr/bin/env bash
# deltalake 1.6.6 (delta-rs for Python): two OPTIMIZE commits that remove the same files both succeed.
#
# Likely guess: Delta's optimistic concurrency lets one of two compactions win, and the other raises
# CommitFailedError, as every other pair of commits that remove one file does. A caller who wants to
# be sure passes CommitProperties(max_commit_retries=0), or an app transaction.
#
# Behaviour: both compactions commit. Each removes the small files (the second remove changes
# nothing) and adds a merged file of its own, so every row stands in the table twice. Nothing is
# raised. max_commit_retries=0 and app_transactions do not help: optimize takes from
# commit_properties only its custom metadata.
# The same rule (files that an OPTIMIZE removed are no conflict) lets an overwrite of the whole table
# through a handle from before the compaction keep the old rows beside the new ones.
#
# Output seen with deltalake 1.6.6:
#   compact, compact:                        8 rows of 4
#   the same with max_commit_retries=0:      8 rows of 4
#   the same with one app transaction:       8 rows of 4
#   compact, overwrite:                      5 rows, expected 1
#   control, delete, compact:                CommitFailedError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet deltalake==1.6.6 pyarrow==25.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyarrow import fs

ROOT, made = Path(sys.argv[1]), 0


def table_of_four_files() -> str:
    global made
    made += 1
    path = str(ROOT / f"table{made}")
    for n in range(4):
        write_deltalake(path, pa.table({"n": [n]}), mode="append")
    return path


def rows(path: str) -> int:
    disk = fs.SubTreeFileSystem(path, fs.LocalFileSystem())
    return DeltaTable(path).to_pyarrow_table(filesystem=disk).num_rows


def compact_twice(properties: CommitProperties | None) -> int:
    path = table_of_four_files()
    first, second = DeltaTable(path), DeltaTable(path)
    for handle in (first, second):
        handle.optimize.compact(commit_properties=properties)
    return rows(path)


plain = compact_twice(None)
one_try = compact_twice(CommitProperties(max_commit_retries=0))
numbered = compact_twice(CommitProperties(app_transactions=[Transaction("compaction", 1)]))
print(f"compact, compact:                        {plain} rows of 4")
print(f"the same with max_commit_retries=0:      {one_try} rows of 4")
print(f"the same with one app transaction:       {numbered} rows of 4")

path = table_of_four_files()
late = DeltaTable(path)
DeltaTable(path).optimize.compact()
write_deltalake(late, pa.table({"n": [9]}), mode="overwrite")
overwritten = rows(path)
print(f"compact, overwrite:                      {overwritten} rows, expected 1")

path = table_of_four_files()
late = DeltaTable(path)
DeltaTable(path).delete("n = 1")
try:
    late.optimize.compact()
    control = "no error"
except CommitFailedError:
    control = "CommitFailedError"
print(f"control, delete, compact:                {control}")
found = (plain, one_try, numbered, overwritten, control)
if found != (8, 8, 8, 5, "CommitFailedError"):
    sys.exit(f"deltalake behaves otherwise now: {found}")
PYTHON
