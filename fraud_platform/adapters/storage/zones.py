"""The zone behind a URL.

Here: one function.
Not here: the zones (`local_zone`, `s3_zone`, `hdfs_zone`, `object_zone`), Delta tables
(`adapters.tables.lake`), what a drop is and when it is complete (`fraud_platform.ingest`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fraud_platform.adapters.storage.access import file_system as open_file_system
from fraud_platform.adapters.storage.access import is_hdfs, is_s3
from fraud_platform.adapters.storage.hdfs_zone import HdfsZone
from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.adapters.storage.object_zone import ObjectZone
from fraud_platform.adapters.storage.probing import require_storage
from fraud_platform.adapters.storage.s3_zone import S3Zone
from fraud_platform.contracts.zones import Zone


def open_zone(url: str, *, create: bool = False, s3: Any = None) -> Zone:
    """Return the zone behind a URL: a local path, `file://`, or any URL that fsspec knows.

    Args:
        url: For example `/data/landing`, `s3://bucket/landing` or `memory://landing`.
        create: Make a folder that is not there yet.
        s3: boto3's client, as Dagster's S3 resource gives it; one of its own, if None.

    Raises:
        SettingsError: nothing installed here speaks that protocol, or it refuses its options.
    """
    protocol, _, path = url.rpartition("://")
    if protocol in ("", "file"):
        return LocalZone(Path(path).absolute(), create=create)
    require_storage(url)
    if is_s3(url):
        return S3Zone(url, s3)
    if is_hdfs(url):
        return HdfsZone(url, create=create)
    file_system, root = open_file_system(url)
    return ObjectZone(url.rstrip("/"), file_system, root.rstrip("/"))
