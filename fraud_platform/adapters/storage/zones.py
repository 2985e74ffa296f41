"""Opening the zone at a URL.

Here: asking whether the storage answers, then opening the zone.
Not here: which class of zone a scheme has (`schemes`), the zones (`local_zone`, `s3_zone`,
`hdfs_zone`, `object_zone`), Delta tables (`adapters.tables.lake`), what a drop is and when it is
complete (`fraud_platform.ingest`).
"""

from __future__ import annotations

from typing import Any

from fraud_platform.adapters.storage.probing import require_storage
from fraud_platform.adapters.storage.schemes import scheme_of
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
    require_storage(url)
    return scheme_of(url).open_zone(url, create=create, client=s3)
