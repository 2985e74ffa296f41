"""A disk that is full or broken is an outage, whichever library met it."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from deltalake.exceptions import DeltaError
from pyspark.errors import PythonException

from fraud_platform.adapters.storage.failures import disk_outage, reaching_disks
from fraud_platform.cli import commands as cli
from fraud_platform.errors import DropUnreadableError, Outage

FULL = OSError(errno.ENOSPC, "No space left on device", "/scratch/a.parquet")


def wrapped(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as cause:
            raise ValueError("a library could not write") from cause
    except ValueError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EROFS, "Read-only file system"),
        wrapped(FULL),
        DeltaError("Generic LocalFileSystem error: No space left on device (os error 28)"),
        PythonException("OSError: [Errno 28] No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
    ],
    ids=repr,
)
def test_the_error_of_a_disk_is_an_outage_with_its_remedy(error: Exception) -> None:
    with (
        pytest.raises(Outage, match=r"expected to write, found: .*Make room there.*run again"),
        reaching_disks(),
    ):
        raise error


@pytest.mark.parametrize(
    "error", [ValueError("no"), FileNotFoundError(2, "no file"), DropUnreadableError("damaged")]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert disk_outage(error) is None
    with pytest.raises(type(error)), reaching_disks():
        raise error


def test_the_file_is_named_where_the_error_names_it() -> None:
    assert "/scratch/a.parquet" in str(disk_outage(wrapped(FULL)))


def test_the_command_line_says_it_in_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise FULL

    monkeypatch.setattr(cli, "app", fail)
    assert cli._run() == 1
    output = capsys.readouterr().err
    assert output.startswith("Outage: disk: expected to write, found: No space left on device")
    assert "Traceback" not in output
