"""Files that Spark's tasks write for a commit: every type of column, found again by its bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import Column, TableContract

START = datetime(2018, 6, 1, tzinfo=UTC)
TABLE = TableContract(
    name="of_every_type",
    description="A column of each type.",
    columns=(
        Column("part", "string", "Its partition."),
        Column("number", "long", "A number."),
        Column("share", "double", "A share.", nullable=True),
        Column("moment", "timestamp", "A moment."),
        Column("words", "array<string>", "Words.", nullable=True),
        Column("is_even", "boolean", "Whether the number is."),
        Column("bytes", "binary", "Bytes.", nullable=True),
        Column("nothing", "string", "Null throughout.", nullable=True),
    ),
    key=("number",),
    partition_by=("part",),
    bounded=("number", "moment"),
)


def test_a_table_with_every_type_of_column_reads_back_and_filters(
    spark: SparkSession, lake: Lake
) -> None:
    rows = [
        {
            "part": "ab"[number % 2],
            "number": number,
            "share": None if number % 7 == 0 else number / 7,
            "moment": START + timedelta(seconds=number),
            "words": None if number % 5 == 0 else [str(number), "x"],
            "is_even": number % 2 == 0,
            "bytes": None if number % 3 == 0 else bytes([number]),
            "nothing": None,
        }
        for number in range(100)
    ]
    frame = spark.createDataFrame(pa.Table.from_pylist(rows, schema=TABLE.arrow_schema))
    lake.replace(TABLE, frame, "part", ["a", "b"])
    assert sorted(lake.read_arrow(TABLE).to_pylist(), key=lambda row: row["number"]) == rows
    found = lake.read(spark, TABLE).where("number >= 98 AND part = 'a'").collect()
    assert [row.number for row in found] == [98]
    assert {f["min.number"] for f in lake.data_files(TABLE).to_pylist()} <= {0, 1, 50, 51}
