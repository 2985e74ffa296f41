"""What a storage's errors mean: it is away, it refuses, a file is not there.

Here: one translation of every client's exceptions, each with its remedy.
Not here: asking a storage before it is used (`probing`), HDFS's own errors (`hdfs_zone`).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from fraud_platform.errors import DropUnreadableError, Outage, SettingsError

REFUSED = {
    "SignatureDoesNotMatch": "the secret is wrong. Set AWS_SECRET_ACCESS_KEY to the key's secret",
    "InvalidAccessKeyId": "the key is not known there. Set AWS_ACCESS_KEY_ID and its secret",
    "XAdminUserNotFound": "the key is not known there. Set AWS_ACCESS_KEY_ID and its secret",
    "NoSuchBucket": "there is no such bucket, or the key is not known there. Create the bucket or "
    "mend the URL, and check AWS_ACCESS_KEY_ID",
    "AccessDenied": "access is denied. Give AWS_ACCESS_KEY_ID the right to list, read and write",
    "ExpiredToken": "the token has expired. Set AWS_SESSION_TOKEN anew",
}
"""What S3 refuses, by its code: what is wrong and the remedy."""
REFUSED["403"] = REFUSED["AccessDenied"]
_CLIENTS = ("aiobotocore", "aiohttp", "botocore", "requests", "urllib3")
"""Packages whose exceptions mean that a store did not answer as it should."""
_NAMENODE = "org.apache.hadoop"
"""What a namenode's refusal names: the Java class of its exception."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def is_refusal(error: BaseException) -> bool:
    """Tell whether an exception says that a storage is away or refuses, whose client it ever was.

    That a file is not there is none.
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
    """Turn a storage client's exceptions into the platform's, leaving `FileNotFoundError`."""
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


def first_line(error: object) -> str:
    """Return what an error says, without colours and a Java stack trace."""
    words = _COLOUR.sub("", str(error)).replace("\\n\\tat ", "\n\tat ").split("\n\tat ")[0]
    return " ".join(words.split())
