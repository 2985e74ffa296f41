"""Asking S3 and HDFS whether they answer, within seconds.

Here: one question to each, with a client of few retries, and what a refusal means.
Not here: when a storage is asked (`adapters.storage.probing`), options
(`adapters.storage.access`).
"""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from fraud_platform.adapters.storage.access import (
    S3Access,
    bucket_of,
    hdfs_options,
    s3_client,
)
from fraud_platform.adapters.storage.failures import REFUSED, first_line
from fraud_platform.errors import Outage, SettingsError

PROBE_SECONDS = 4


def require_s3(url: str) -> None:
    """Return if the bucket of an `s3://` URL answers.

    Raises:
        SettingsError: there is no such bucket, key or secret.
        Outage: it does not answer.
    """
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


def require_hdfs(url: str) -> None:
    """Return if the namenode of an `hdfs://` URL answers.

    Raises:
        Outage: it does not answer.
    """
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
        except Exception as error:  # noqa: BLE001 - hdfs_native raises one type for all causes
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


def require_conditional_puts(url: str) -> None:
    """Return if S3 refuses to put a file that exists; commits exclude each other by that.

    Raises:
        SettingsError: it lets two writers put the same file, so a commit could be lost.
    """
    from botocore.exceptions import ClientError

    client, key = s3_client(S3Access.from_variables()), f"commit-probe-{uuid.uuid4().hex}"
    place = {"Bucket": bucket_of(url), "Key": key}
    try:
        client.put_object(**place, Body=b"", IfNoneMatch="*")
        try:
            client.put_object(**place, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
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
