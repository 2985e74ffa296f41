"""Opening the zone at a URL.

Here: choosing the zone's class by the URL.
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
    """Return the zone at a URL: a local path, `file://`, or any URL that fsspec supports.

    Args:
        url: For example `/data/landing`, `s3://bucket/landing` or `memory://landing`.
        create: Create the folder if it is missing.
        s3: boto3 client, for example from Dagster's S3 resource; None creates one.

    Raises:
        SettingsError: no installed package supports the protocol, or it rejects the options.
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
