#!/usr/bin/env bash
# pyspark 4.2.0 on a Spark Connect session, pandas 2.3.3, pyarrow 25.0.1; needs a JDK 17 or later.
#
# Likely guess: DataFrame.toPandas() returns the same pandas frame on a Connect session as on a classic
# one, and what reads a classic one, such as pyarrow.Table.from_pandas, reads it without a word.
#
# Behaviour: on Connect, toPandas() puts the plan's metrics into DataFrame.attrs, as objects that are
# not JSON. pyarrow writes attrs into the schema's metadata, so from_pandas warns of each such frame
# ("Could not serialize pd.DataFrame.attrs"), and drops all attrs, those of the caller as well. With
# warnings as errors a job that passes on a classic session fails on Connect. toArrow() has neither.
#
# Output seen:
#   attrs: ['metrics']
#   from_pandas: UserWarning Could not serialize pd.DataFrame.attrs
#   the caller's own attribute is kept: False
#   toArrow: 3 rows, no warning
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
  'pyspark[connect]==4.2.0' 'pandas==2.3.3' 'pyarrow==25.0.1'
export PYSPARK_PYTHON="$folder/venv/bin/python" SPARK_LOCAL_IP=127.0.0.1
cd "$folder"
cat > check.py <<'P'
import warnings

import pyarrow as pa
from pyspark.sql import SparkSession

spark = SparkSession.builder.remote("local[1]").getOrCreate()
frame = spark.range(3)
rows = frame.toPandas()
print("attrs:", sorted(rows.attrs))
rows.attrs["mine"] = 1
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    table = pa.Table.from_pandas(rows)
words = [str(w.message) for w in found if "attrs" in str(w.message)]
assert words, "from_pandas did not warn"
print("from_pandas:", found[0].category.__name__, words[0].split(":")[0])
kept = table.to_pandas().attrs.get("mine") == 1
print("the caller's own attribute is kept:", kept)
assert not kept
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    arrow = frame.toArrow()
assert not [w for w in found if "attrs" in str(w.message)]
print(f"toArrow: {arrow.num_rows} rows, no warning")
spark.stop()
P
"$folder/venv/bin/python" check.py 2>/dev/null | tee output
grep -q "mine\|attrs:" output
grep -q "UserWarning Could not serialize pd.DataFrame.attrs" output
