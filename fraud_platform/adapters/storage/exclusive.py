"""Creating a file only if none has its name: of several writers exactly one succeeds.

Here: one function for each kind of storage. By them an entry of a table's log is taken.
Not here: which one a URL needs (`adapters.storage.schemes`), files that one writer owns
(`adapters.storage.files`), what an entry says (`adapters.tables.swapping`), whether an S3 server
can do it (`adapters.storage.answers`).

A disk links a complete file to its name, HDFS renames it, S3 puts it under `If-None-Match`. These
are the operations by which delta-rs commits too, so both exclude each other.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.access import (
    S3Access,
    bucket_of,
    hdfs_options,
    s3_client,
)

_EXISTS, _IN_CONFLICT = 412, 409


def _temporary(name: str) -> str:
    # as delta-rs names its own, so that vacuum and listings treat both alike
    return f"_commit_{uuid.uuid4()}.json.tmp" if name.endswith(".json") else f".{uuid.uuid4()}.tmp"


def link_once(path: Path, data: bytes) -> bool:
    """Create a file on a disk; False if another file has that name."""
    temporary = path.with_name(_temporary(path.name))
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def put_once(url: str, data: bytes) -> bool:
    """Create a file on S3; False if another file has that name."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = s3_client(S3Access.from_variables())
    place = {"Bucket": bucket_of(url), "Key": urlsplit(url).path.lstrip("/")}
    try:
        client.put_object(**place, Body=data, IfNoneMatch="*")
        return True
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status not in (_EXISTS, _IN_CONFLICT):
            raise OSError(f"{url}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{url}: {error}") from error
    try:
        # an earlier try of this put may have succeeded, and its answer been lost
        return bool(client.get_object(**place)["Body"].read() == data)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise OSError(f"{url}: {error}") from error


@cache
def _hdfs(host: str) -> Any:
    """Return a client that is never let go: see `adapters.storage.scheme_interface._used`."""
    from hdfs_native import Client

    return Client(f"hdfs://{host}", hdfs_options())


def rename_once(url: str, data: bytes) -> bool:
    """Create a file on HDFS; False if another file has that name."""
    from hdfs_native import WriteOptions

    place = urlsplit(url)
    client = _hdfs(place.netloc)
    folder, _, name = place.path.rpartition("/")
    temporary = f"{folder}/{_temporary(name)}"
    writer = client.create(temporary, WriteOptions(overwrite=True))
    writer.write(data)
    writer.close()
    try:
        client.rename(temporary, place.path, False)
    except Exception as error:  # noqa: BLE001 - see the next line
        # hdfs_native raises one type of error for all causes: look which one it was
        try:
            with client.read(place.path) as found:
                is_own = bool(found.read(len(data) + 1) == data)
        except FileNotFoundError:
            raise error from None
        if not is_own:
            with suppress(Exception):
                client.delete(temporary, False)
        return is_own
    return True
