"""The contenders that clean one drop into both tables: the platform, a naive Spark job, DuckDB.

Here: each contender as a function from a raw drop to files, following the contract as far as its
tool allows. The naive job is the textbook solution: split, cast, one window over all rows.
Not here: measuring them (`benchmarks.cleaning`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.raw_text import UnpackLimits
from fraud_platform.contracts.active import DATA_SET
from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.contracts.tables import CLEANING_LEDGER, QUARANTINE, TRANSACTIONS
from fraud_platform.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Tables = tuple[int, int]
"""Rows of `transactions` and of `quarantine`."""


class Job(NamedTuple):
    """One drop to clean, and the folder for the output."""

    raw: Path
    drop: str
    out: Path


def clean_with_platform(spark: SparkSession, job: Job, data_set: DataSet = DATA_SET) -> Tables:
    """Clean with `publish_drop`: quarantine, transactions, labels and ledger."""
    from fraud_platform.cleaning import publish_drop
    from fraud_platform.cleaning.raw_text import sha256_of

    lake = Lake(str(job.out))
    publish_drop(
        spark,
        lake,
        str(job.raw),
        job.drop,
        content_sha256=sha256_of(lake.files, str(job.raw)),
        size_bytes=job.raw.stat().st_size,
        run_id="benchmark",
        limits=replace(Limits.from_settings(load_settings()), quarantined=1.0),
        unpacking=UnpackLimits.from_settings(load_settings()),
        data_set=data_set,
    )
    (row,) = lake.read_arrow(CLEANING_LEDGER).to_pylist()
    return row["rows_clean"], row["rows_quarantined"]


def clean_naively(spark: SparkSession, job: Job) -> Tables:
    """Clean with Spark SQL functions and one window over all rows, into Delta tables."""
    from pyspark.sql import functions as F

    lake = Lake(str(job.out))
    flagged = _flag_naively(spark, job)
    clean = flagged.where("reason IS NULL").select(
        "transaction_id",
        "tx_datetime",
        F.to_date("tx_datetime").alias("tx_date"),
        "customer_id",
        "terminal_id",
        "amount_cents",
        (F.col("fraud") == 1).alias("is_fraud"),
        F.col("scenario").cast("int").alias("fraud_scenario"),
        F.lit(job.drop).alias("drop"),
    )
    bad = flagged.where("reason IS NOT NULL").select(
        F.lit(job.drop).alias("drop"),
        "reason",
        F.array("reason").alias("reasons"),
        F.col("line").cast("binary").alias("raw_line"),
        "transaction_id",
    )
    lake.replace(QUARANTINE, bad, "drop", [job.drop])
    lake.replace(TRANSACTIONS, clean, "drop", [job.drop])
    return lake.read(spark, TRANSACTIONS).count(), lake.read(spark, QUARANTINE).count()


def _flag_naively(spark: SparkSession, job: Job) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    lines = (
        spark.read.option("lineSep", "\n").text(str(job.raw)).select(F.col("value").alias("line"))
    )
    data = lines.where(F.length(F.trim("line")) > 0).where(~F.col("line").startswith("#"))
    fields = F.split(F.regexp_replace("line", "\r$", ""), ",")
    parsed = data.withColumn("f", fields).select(
        "line",
        (F.size("f") == 9).alias("is_nine"),
        F.expr("try_cast(trim(get(f, 0)) AS BIGINT)").alias("transaction_id"),
        F.expr(
            "CASE WHEN get(f, 1) LIKE '% 24:00:00' THEN "
            "try_to_timestamp(left(get(f, 1), 10), 'yyyy-MM-dd') + INTERVAL 1 DAY "
            "ELSE try_to_timestamp(trim(get(f, 1)), 'yyyy-MM-dd HH:mm:ss') END"
        ).alias("tx_datetime"),
        F.expr("try_cast(trim(get(f, 2)) AS BIGINT)").alias("customer_id"),
        F.expr("try_cast(trim(get(f, 3)) AS BIGINT)").alias("terminal_id"),
        F.expr(
            "CAST(round(try_cast(trim(get(f, 4)) AS DECIMAL(30, 10)), 2) * 100 AS BIGINT)"
        ).alias("amount_cents"),
        F.expr("try_cast(trim(get(f, 7)) AS BIGINT)").alias("fraud"),
        F.expr("try_cast(trim(get(f, 8)) AS BIGINT)").alias("scenario"),
    )
    reason = F.expr(
        "CASE WHEN NOT is_nine OR transaction_id IS NULL OR transaction_id < 0 "
        "THEN 'malformed_row' "
        "WHEN tx_datetime IS NULL THEN 'bad_timestamp' "
        "WHEN customer_id IS NULL OR customer_id < 0 THEN 'unknown_customer' "
        "WHEN terminal_id IS NULL OR terminal_id < 0 THEN 'unknown_terminal' "
        "WHEN amount_cents IS NULL OR amount_cents <= 0 OR amount_cents > 999999999 "
        "THEN 'non_positive_amount' "
        "WHEN fraud IS NULL OR scenario IS NULL OR (fraud = 1) <> (scenario BETWEEN 1 AND 3) "
        "OR (fraud = 0) <> (scenario = 0) THEN 'bad_label' END"
    )
    contents = ["tx_datetime", "customer_id", "terminal_id", "amount_cents", "fraud", "scenario"]
    copies = Window.partitionBy("transaction_id", F.isnull("bad")).orderBy(*contents)
    ranked = parsed.withColumn("bad", reason).withColumns(
        {
            "copy": F.row_number().over(copies),
            "kept": F.first(F.struct(*contents)).over(copies),
        }
    )
    duplicate = F.when(F.struct(*contents) == F.col("kept"), "duplicate_id").otherwise(
        "conflicting_duplicate_id"
    )
    return ranked.withColumn("reason", F.coalesce("bad", F.when(F.col("copy") > 1, duplicate)))


FIELDS_OF_TEXT = "string_split(rtrim(line, chr(13)), ',')"
FIELDS_OF_JSON = "CASE WHEN json_valid(line) THEN [{}] END".format(
    ", ".join(f"json_extract_string(line, '$.{name}')" for name in COLUMNS)
)
"""DuckDB's expressions of the fields of a line."""


def clean_with_duckdb(job: Job, threads: int, memory: str, fields: str = FIELDS_OF_TEXT) -> Tables:
    """Clean with DuckDB into two Parquet files; the window covers only rows with repeated ids.

    It drops lines that are not UTF-8, because DuckDB cannot store them as text.
    """
    import duckdb

    job.out.mkdir(parents=True)
    database = duckdb.connect(str(job.out / "scratch.db"))
    database.execute(f"SET threads = {threads}; SET memory_limit = '{memory}'")
    database.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    database.execute(_DUCKDB_PARSE.format(raw=job.raw, fields=fields))
    database.execute(_DUCKDB_JUDGE)
    rows = []
    for name, query in (("transactions", _DUCKDB_CLEAN), ("quarantine", _DUCKDB_BAD)):
        path = job.out / f"{name}.parquet"
        database.execute(f"COPY ({query.format(drop=job.drop)}) TO '{path}' (FORMAT parquet)")
        (count,) = database.execute(f"SELECT count(*) FROM '{path}'").fetchall()
        rows.append(count[0])
    database.close()
    return rows[0], rows[1]


_DUCKDB_PARSE = r"""
CREATE TABLE parsed AS
WITH fields AS (
    SELECT line, {fields} AS f
    FROM read_csv('{raw}', columns = {{'line': 'VARCHAR'}}, delim = chr(1), quote = '', escape = '',
                  header = false, ignore_errors = true, max_line_size = 20000000,
                  auto_detect = false, new_line = '\n', strict_mode = false)
    WHERE trim(line) <> '' AND NOT starts_with(line, '#')
), typed AS (
    SELECT line, coalesce(len(f) = 9, false) AS is_nine,
        TRY_CAST(trim(f[1]) AS BIGINT) AS transaction_id,
        CASE WHEN f[2] LIKE '% 24:00:00' THEN TRY_CAST(f[2][:10] AS TIMESTAMP) + INTERVAL 1 DAY
             ELSE TRY_CAST(trim(f[2]) AS TIMESTAMP) END AS tx_datetime,
        TRY_CAST(trim(f[3]) AS BIGINT) AS customer_id,
        TRY_CAST(trim(f[4]) AS BIGINT) AS terminal_id,
        CAST(round(TRY_CAST(trim(f[5]) AS DECIMAL(30, 10)), 2) * 100 AS BIGINT) AS amount_cents,
        TRY_CAST(trim(f[8]) AS BIGINT) AS fraud,
        TRY_CAST(trim(f[9]) AS BIGINT) AS scenario
    FROM fields
)
SELECT *, CASE
    WHEN NOT is_nine OR transaction_id IS NULL OR transaction_id < 0 THEN 'malformed_row'
    WHEN tx_datetime IS NULL THEN 'bad_timestamp'
    WHEN customer_id IS NULL OR customer_id < 0 THEN 'unknown_customer'
    WHEN terminal_id IS NULL OR terminal_id < 0 THEN 'unknown_terminal'
    WHEN amount_cents IS NULL OR amount_cents NOT BETWEEN 1 AND 999999999 THEN 'non_positive_amount'
    WHEN fraud IS NULL OR scenario IS NULL OR (fraud = 1) <> (scenario BETWEEN 1 AND 3)
        OR (fraud = 0) <> (scenario = 0) THEN 'bad_label' END AS bad
FROM typed
"""
_DUCKDB_JUDGE = """
CREATE TABLE repeated AS
SELECT transaction_id FROM parsed WHERE bad IS NULL GROUP BY transaction_id HAVING count(*) > 1;
CREATE TABLE judged AS
SELECT *, row_number() OVER copies AS copy,
    (tx_datetime, customer_id, terminal_id, amount_cents, fraud, scenario)
        = first_value((tx_datetime, customer_id, terminal_id, amount_cents, fraud, scenario))
            OVER copies AS is_equal
FROM parsed SEMI JOIN repeated USING (transaction_id) WHERE bad IS NULL
WINDOW copies AS (PARTITION BY transaction_id
    ORDER BY tx_datetime, customer_id, terminal_id, amount_cents, fraud, scenario, line)
"""
_DUCKDB_CLEAN = """
SELECT transaction_id, tx_datetime, CAST(tx_datetime AS DATE) AS tx_date, customer_id, terminal_id,
    amount_cents, fraud = 1 AS is_fraud, CAST(scenario AS INTEGER) AS fraud_scenario,
    '{drop}' AS drop
FROM (
    SELECT * EXCLUDE (bad) FROM parsed ANTI JOIN repeated USING (transaction_id) WHERE bad IS NULL
    UNION ALL SELECT * EXCLUDE (bad, copy, is_equal) FROM judged WHERE copy = 1
)
"""
_DUCKDB_BAD = """
SELECT '{drop}' AS drop, reason, [reason] AS reasons, line AS raw_line, transaction_id FROM (
    SELECT line, transaction_id, bad AS reason FROM parsed WHERE bad IS NOT NULL
    UNION ALL
    SELECT line, transaction_id,
        CASE WHEN is_equal THEN 'duplicate_id' ELSE 'conflicting_duplicate_id' END
    FROM judged WHERE copy > 1
)
"""

SPARK_CONTENDERS: dict[str, Callable[[SparkSession, Job], Tables]] = {
    "platform": clean_with_platform,
    "naive window": clean_naively,
}
