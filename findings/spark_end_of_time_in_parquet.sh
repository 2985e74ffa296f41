#!/usr/bin/env bash
# pyspark 4.2.0 with polars 2.1.0, pyarrow 25.0.1, duckdb 2.0.0: 9999-12-31 in a Parquet file of Spark.
#
# Payment data often uses 9999-12-31 for "still valid".
# Likely guess: a timestamp that Spark writes to Parquet is read back as the same timestamp.
# Behaviour: Spark's default type for timestamps in Parquet is still INT96, which polars and pyarrow
#   read into 64 bits of nanoseconds (1677 to 2262). polars returns the last moment of that range,
#   pyarrow wraps to the year 1816; neither raises. duckdb and Spark read the file rightly, and so
#   do all with spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS.
# Output seen:
#   Spark    9999-12-31 00:00:00
#   duckdb   9999-12-31 00:00:00
#   polars   2262-04-11 23:47:16
#   pyarrow  1816-03-29 05:56:09
# Needs Java 17 or later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pyspark==4.2.0 polars==2.1.0 pyarrow==25.0.1 duckdb==2.0.0
cd "$folder"
TZ=UTC timeout 300 "$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
spark.sql("select timestamp'9999-12-31 00:00:00' as valid_to").coalesce(1).write.parquet("cards")
found = {
    "Spark": spark.read.parquet("cards").selectExpr("cast(valid_to as string)").first()[0],
    "duckdb": str(duckdb.sql("select valid_to from 'cards/*.parquet'").fetchall()[0][0])[:19],
    "polars": str(pl.read_parquet("cards/*.parquet")["valid_to"][0])[:19],
    "pyarrow": str(pq.read_table("cards")["valid_to"].cast(pa.timestamp("s"), safe=False)[0]),
}
spark.stop()
for name, value in found.items():
    print(f"{name:8} {value}")
right = "9999-12-31 00:00:00"
assert found["Spark"] == right and found["duckdb"] == right, "the behaviour has changed"
assert found["polars"] == "2262-04-11 23:47:16", "the behaviour has changed"
assert found["pyarrow"] == "1816-03-29 05:56:09", "the behaviour has changed"
PYTHON
