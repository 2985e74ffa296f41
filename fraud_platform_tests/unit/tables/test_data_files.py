"""The one writer of data files: complete or absent, with statistics that Delta's readers use."""

from __future__ import annotations

import errno
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.errors import Outage
from fraud_platform.tables.data_files import DataFileWriter, FileStats

ROWS = pa.table(
    {
        "id": pa.array([3, 1, None], pa.int64()),
        "at": pa.array([datetime(2018, 4, 1, 12, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
        "day": pa.array([date(2018, 4, 1), date(2018, 4, 2), None]),
        "ok": pa.array([True, False, True]),
    }
)


class FullDisk(ByteFiles):
    """Fails at one step of writing a file."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def create(self, url: str) -> IO[bytes]:
        if self.step == "create":
            raise OSError(errno.ENOSPC, "No space left on device", url)
        return FullFile(super().create(url), self.step)  # type: ignore[return-value]


class FullFile(io.RawIOBase):
    def __init__(self, file: IO[bytes], step: str) -> None:
        self._file, self._step = file, step

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if self._step == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)  # type: ignore[call-overload, no-any-return]

    def close(self) -> None:
        if self._file.closed:
            return
        self._file.close()
        super().close()
        if self._step == "close":
            raise OSError(errno.ENOSPC, "No space left on device")


def writer(files: ByteFiles, url: Path, stats: FileStats | None = None) -> DataFileWriter:
    return DataFileWriter(files, str(url), ROWS.schema, stats or FileStats(), compression="snappy")


def write_and_fail(file: DataFileWriter) -> None:
    file.write(ROWS)
    raise KeyError("of the caller")


@pytest.mark.parametrize("step", ["create", "write", "close"])
def test_a_file_that_cannot_be_written_is_an_outage_and_is_removed(
    tmp_path: Path, step: str
) -> None:
    url = tmp_path / "table" / "file.parquet"
    with (
        pytest.raises(Outage, match=r"expected to write .*file\.parquet.*No space left.*writable"),
        writer(FullDisk(step), url) as file,
    ):
        file.write(ROWS)
    assert not url.exists()


def test_an_error_of_the_caller_removes_the_file_and_is_raised(tmp_path: Path) -> None:
    url = tmp_path / "file.parquet"
    with pytest.raises(KeyError, match="of the caller"), writer(ByteFiles(), url) as file:
        write_and_fail(file)
    assert not url.exists()
    assert file.written() is None


def test_a_file_without_rows_is_created_only_if_it_is_begun(tmp_path: Path) -> None:
    with writer(ByteFiles(), tmp_path / "none.parquet") as file:
        pass
    assert file.written() is None
    assert list(tmp_path.iterdir()) == []
    with writer(ByteFiles(), tmp_path / "begun.parquet") as file:
        file.begin()
    assert file.finished().rows == 0
    assert pq.read_table(tmp_path / "begun.parquet").num_rows == 0


def test_statistics_are_of_all_rows_in_the_form_of_a_delta_log(tmp_path: Path) -> None:
    stats = FileStats(ROWS.column_names)
    with writer(ByteFiles(), tmp_path / "file.parquet", stats) as file:
        file.write(ROWS.slice(0, 1))
        file.write(ROWS.slice(1))
    written = file.finished()
    assert pq.read_table(tmp_path / "file.parquet").equals(ROWS)
    assert written.size_bytes == (tmp_path / "file.parquet").stat().st_size
    assert json.loads(written.stats) == {
        "numRecords": 3,
        "minValues": {"id": 1, "at": "2018-04-01T12:00:00.000000Z", "day": "2018-04-01"},
        "maxValues": {"id": 3, "at": "2018-04-01T12:00:00.000000Z", "day": "2018-04-02"},
        "nullCount": {"id": 1, "at": 0, "day": 1, "ok": 0},
    }
    entry = written.in_table(str(tmp_path), {"drop": "d"})
    assert (entry.path, entry.rows, entry.partition) == ("file.parquet", 3, {"drop": "d"})


def test_bounds_that_a_writer_gives_stand_in_for_computed_ones() -> None:
    stats = FileStats()
    assert json.loads(stats.as_json()) == {"numRecords": 0}
    stats.widen("id", 5, 9)
    stats.widen("id", 2, 7)
    stats.count_nulls("id", 2)
    assert json.loads(stats.as_json()) == {
        "numRecords": 0, "minValues": {"id": 2}, "maxValues": {"id": 9}, "nullCount": {"id": 2},
    }  # fmt: skip
