"""Whether a storage answers, said within seconds and in one line.

Here: asking S3 and HDFS once before they are used, and explaining why a call of theirs failed.
Not here: how they are reached (`adapters.storage.access`), what is read or written there.

Clients wait long for a server that accepts a connection and never answers, and some call a missing
bucket an empty table. So the first use in a while asks with a client of short patience.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.access import (
    S3Access,
    bucket_of,
    hdfs_options,
    is_hdfs,
    is_s3,
    s3_client,
)
from fraud_platform.adapters.storage.failures import REFUSED, first_line, is_refusal
from fraud_platform.errors import Outage, SettingsError

PROBE_SECONDS = 4
_TRUSTED_SECONDS = 30.0
_answered: dict[str, float] = {}
_safe: set[str] = set()


def require_storage(url: str) -> None:
    """Return if the storage of a URL answers; asked at most every half minute.

    Raises:
        SettingsError: it knows no such bucket, key or secret.
        Outage: it does not answer.
    """
    if not (is_s3(url) or is_hdfs(url)):
        return
    place = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    if time.monotonic() - _answered.get(place, -_TRUSTED_SECONDS) < _TRUSTED_SECONDS:
        return
    require_answer(url)
    _answered[place] = time.monotonic()


def require_answer(url: str) -> None:
    """Return if the S3 or HDFS of a URL answers now.

    Raises:
        SettingsError, Outage: as `require_storage`.
    """
    _probe_s3(url) if is_s3(url) else _probe_hdfs(url)


def require_safe_commits(url: str) -> None:
    """Return if S3 refuses to put a file where one is, by which commits exclude each other.

    Raises:
        SettingsError: it lets two writers put the same file, so a commit could be lost.
    """
    from botocore.exceptions import ClientError

    if not is_s3(url) or bucket_of(url) in _safe:
        return
    client, key = s3_client(S3Access.from_variables()), f"commit-probe-{uuid.uuid4().hex}"
    place = {"Bucket": bucket_of(url), "Key": key}
    try:
        client.put_object(**place, Body=b"", IfNoneMatch="*")
        try:
            client.put_object(**place, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
            _safe.add(bucket_of(url))
            return
    except ClientError as error:
        raise Outage(
            f"{url}: expected to put a file into it, found: {error}. Give the key the right to "
            "write there, then run again."
        ) from None
    finally:
        with suppress(ClientError):
            client.delete_object(**place)
    raise SettingsError(
        f"{url}: expected the S3 server to refuse a second put of one file (If-None-Match), found "
        "that it takes both: of two writers of a table one would lose its commit. Use a server "
        "with conditional puts (Amazon's has them), or a lake on HDFS or a disk."
    )


def forget() -> None:
    """Ask every storage again before its next use."""
    _answered.clear()
    _safe.clear()


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Ask the storage first, and turn what it refuses within the block into a clear error.

    Raises:
        Outage: the storage is full, read-only, broken or away.
        SettingsError: it refuses who asks, or has no such bucket.
    """
    require_storage(url)
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        if is_s3(url) or is_hdfs(url):
            require_answer(url)
        raise Outage(
            f"lake: expected to read and write {url}, found: {first_line(error)}. Check that the "
            "storage is there, writable and not full; nothing that was committed is lost."
        ) from error


def _probe_s3(url: str) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    access, bucket = S3Access.from_variables(), bucket_of(url)
    place = f"bucket {bucket} on {access.endpoint_url or f'S3 in {access.region}'}"
    config = access.boto_config() | {
        "connect_timeout": PROBE_SECONDS,
        "read_timeout": PROBE_SECONDS,
        "retries": {"total_max_attempts": 1},
    }
    try:
        client = boto3.client("s3", **access.boto_arguments(), config=Config(**config))
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if remedy := REFUSED.get(code):
            raise SettingsError(f"{url}: expected to use {place}, but {remedy}.") from None
        raise Outage(
            f"{url}: expected {place} to answer, found {code}: {error}. Run again when it does."
        ) from None
    except NoCredentialsError:
        raise SettingsError(
            f"{url}: expected credentials for {place}, found none. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE."
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise Outage(
            f"{url}: expected {place} to answer, found: {error} Check that the server is up "
            "and AWS_ENDPOINT_URL is its address, then run again."
        ) from None


def _probe_hdfs(url: str) -> None:
    from hdfs_native import Client

    place = urlsplit(url)
    done: list[BaseException | None] = []

    def ask() -> None:
        try:
            if place.port:  # without one it names a pair of namenodes of HADOOP_CONF_DIR
                # the client itself retries for long if no server listens
                socket.create_connection((place.hostname or "", place.port), PROBE_SECONDS).close()
            Client(f"hdfs://{place.netloc}", hdfs_options()).get_file_info("/")
            done.append(None)
        except Exception as error:
            done.append(error)

    _within(2 * PROBE_SECONDS, ask)
    if done == [None]:
        return
    found = first_line(done[0]) if done else f"no answer within {2 * PROBE_SECONDS} s"
    raise Outage(
        f"{url}: expected the namenode {place.netloc} to answer, found: {found}. Check that it is "
        "up and the URL names its RPC port, then run again."
    )


def _within(seconds: float, call: Callable[[], None]) -> None:
    """Wait for a call at most so long; a call that never ends is abandoned."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
