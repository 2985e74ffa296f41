#!/usr/bin/env bash
# deltalake 1.6.6: two overwrites that fill the same new partition both succeed.
#
# Likely guess: DeltaTable.create_write_transaction(mode="overwrite", partition_filters=..) replaces
# what the partition holds, so of two writers that began at one version, one is refused, or the last
# one's rows are all that the partition holds. So it is where the partition held files before.
#
# Behaviour: where the partition held nothing, both commit and the partition holds both writers'
# rows: the commit declares no read of the partition, and there is no file that both remove. With
# CommitProperties(max_commit_retries=0) the second writer is refused, and with
# write_deltalake(mode="overwrite", predicate=..) as well, for that declares what it read.
#
# Output seen with deltalake 1.6.6:
#   new partition, twice:                    p=c holds [1, 2]
#   the same with max_commit_retries=0:      CommitFailedError, p=c holds [1]
#   the same by a predicate:                 CommitFailedError, p=c holds [1]
#   a partition with a file, twice:          CommitFailedError, p=a holds [1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet deltalake==1.6.6 pyarrow==25.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction
from pyarrow import fs

ROOT, made = Path(sys.argv[1]), 0
SCHEMA = pa.schema([("n", pa.int64()), ("p", pa.string())])


def table() -> Path:
    global made
    made += 1
    path = ROOT / f"table{made}"
    rows = pa.table({"n": [0], "p": ["a"]}, schema=SCHEMA)
    write_deltalake(str(path), rows, partition_by=["p"])
    return path


def by_files(handle: DeltaTable, path: Path, p: str, n: int, tries: int | None) -> None:
    name = f"p={p}/{n}.parquet"
    (path / name).parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"n": [n]}), path / name)
    size = (path / name).stat().st_size
    stats = json.dumps({"numRecords": 1, "minValues": {"n": n}, "maxValues": {"n": n}})
    handle.create_write_transaction(
        [AddAction(name, size, {"p": p}, 0, True, stats)],
        mode="overwrite",
        schema=SCHEMA,
        partition_by=["p"],
        partition_filters=[("p", "in", [p])],
        commit_properties=CommitProperties(max_commit_retries=tries),
    )


def by_predicate(handle: DeltaTable, path: Path, p: str, n: int, tries: int | None) -> None:
    rows = pa.table({"n": [n], "p": [p]}, schema=SCHEMA)
    write_deltalake(handle, rows, mode="overwrite", predicate=f"p = '{p}'")


def twice(write, p: str, tries: int | None = None) -> tuple[str, list[int]]:
    path = table()
    first, second = DeltaTable(path), DeltaTable(path)
    write(first, path, p, 1, tries)
    said = ""
    try:
        write(second, path, p, 2, tries)
    except CommitFailedError:
        said = "CommitFailedError, "
    disk = fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())
    rows = DeltaTable(path).to_pyarrow_table(filters=[("p", "=", p)], filesystem=disk)
    held = rows["n"].to_pylist()
    return said, sorted(held)


found = {
    "new partition, twice:": (*twice(by_files, "c"), "c"),
    "the same with max_commit_retries=0:": (*twice(by_files, "c", 0), "c"),
    "the same by a predicate:": (*twice(by_predicate, "c"), "c"),
    "a partition with a file, twice:": (*twice(by_files, "a"), "a"),
}
for what, (said, held, p) in found.items():
    print(f"{what:<40} {said}p={p} holds {held}")
refused = ("CommitFailedError, ", [1])
expected = [("", [1, 2]), refused, refused, refused]
if [(said, held) for said, held, _ in found.values()] != expected:
    sys.exit("deltalake behaves otherwise now")
PYTHON
