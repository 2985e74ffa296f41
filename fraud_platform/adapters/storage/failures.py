"""Translation of storage errors: unreachable, access refused, file not found.

Here: translating the exceptions of all clients, each with its remedy.
Not here: probing a storage before it is used (`probing`), errors of HDFS (`hdfs_zone`).
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fraud_platform.errors import (
    DropUnreadableError,
    FraudPlatformError,
    Outage,
    SettingsError,
)

REFUSED = {
    "SignatureDoesNotMatch": "the secret is wrong. Set AWS_SECRET_ACCESS_KEY to the key's secret",
    "InvalidAccessKeyId": "the key is unknown. Set AWS_ACCESS_KEY_ID and its secret",
    "XAdminUserNotFound": "the key is unknown. Set AWS_ACCESS_KEY_ID and its secret",
    "NoSuchBucket": "there is no such bucket, or the key is unknown. Create the bucket or fix the "
    "URL, and check AWS_ACCESS_KEY_ID",
    "AccessDenied": "access is denied. Give AWS_ACCESS_KEY_ID the right to list, read and write",
    "ExpiredToken": "the token has expired. Set AWS_SESSION_TOKEN to a new one",
}
"""S3's error code to the problem and its remedy."""
REFUSED["403"] = REFUSED["AccessDenied"]
_CLIENTS = ("aiobotocore", "aiohttp", "botocore", "requests", "urllib3")
"""Packages whose exceptions mean that a storage did not answer correctly."""
_NAMENODE = "org.apache.hadoop"
"""Part of a namenode's error message, which contains the Java class of the exception."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
_DISK_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Input/output error",
    "database or disk is full",
)
"""What libraries say of such a disk in errors of their own."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def is_refusal(error: BaseException) -> bool:
    """Return whether an exception of any client means that a storage is unreachable or refuses.

    A missing file does not count.
    """
    kind = type(error)
    return (
        (isinstance(error, OSError) and not isinstance(error, FileNotFoundError))
        or kind.__module__.split(".")[0] in _CLIENTS
        or (kind.__name__ == "DeltaError" and "object store" in str(error).lower())
        or (kind is RuntimeError and _NAMENODE in str(error))
    )


@contextmanager
def translated(url: str, *, reading: bool = False) -> Iterator[None]:
    """Translate a storage client's exceptions into the platform's, except FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        refused = f"{url}: access is refused ({error.strerror or error})."
        if reading:
            raise DropUnreadableError(
                f"{refused} Let the platform's user read the file, or send it again."
            ) from None
        raise SettingsError(f"{refused} Give the platform's user access to it.") from None
    except Exception as error:
        if not is_refusal(error):
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Outage(f"{url}: no space left. Make room there and run again.") from None
        code = str(getattr(error, "response", {}).get("Error", {}).get("Code"))
        if code in ("404", "NoSuchKey", "NoSuchUpload"):
            raise FileNotFoundError(url) from None
        if remedy := REFUSED.get(code):
            raise SettingsError(f"{url}: {remedy}.") from None
        if "Credentials" in type(error).__name__:
            raise SettingsError(f"{url}: {error}. Set the storage's credentials.") from None
        raise Outage(
            f"{url}: the storage does not answer as it should ({type(error).__name__}: {error}). "
            "Check that it is up and reachable, then run again."
        ) from error


@contextmanager
def reaching_disks() -> Iterator[None]:
    """Turn the errors of a full, read-only or broken disk into an outage, wherever they come from.

    A temporary folder, a library's file and a task of Spark fill a disk as well as a zone does.

    Raises:
        Outage: it names the file if the error does, and what to do.
    """
    try:
        yield
    except FraudPlatformError:
        raise
    except Exception as error:
        outage = disk_outage(error)
        if outage is None:
            raise
        raise outage from error


def disk_outage(error: BaseException) -> Outage | None:
    """Return the outage that an error of a disk means, None for any other error.

    Libraries wrap such errors, so their causes and, at last, their words are looked at.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
            return _disk_outage(os.strerror(cause.errno), cause.filename)
        cause = cause.__cause__ or cause.__context__
    words = str(error)
    found = next((said for said in _DISK_WORDS if said.lower() in words.lower()), None)
    return None if found is None else _disk_outage(found, None)


def _disk_outage(found: str, path: object) -> Outage:
    where = f" ({os.fsdecode(path)})" if isinstance(path, str | bytes) else ""
    return Outage(
        f"disk: expected to write, found: {found}{where}. Make room there (FRAUD_HOME, the lake, "
        f"{tempfile.gettempdir()} and Spark's local folders are written to), mount it writable, "
        "and run again; nothing that was committed is lost."
    )


def first_line(error: object) -> str:
    """Return an error's message without colours and without the Java stack trace."""
    words = _COLOUR.sub("", str(error)).replace("\\n\\tat ", "\n\tat ").split("\n\tat ")[0]
    return " ".join(words.split())
