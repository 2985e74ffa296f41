"""The storage schemes, each declared once, and what depends on the scheme of a URL.

Here: `SCHEMES`, `scheme_of`, and the functions that ask the scheme of a URL. To add a scheme, add
its class and one object of it to `SCHEMES` (docs/extending.md).
Not here: the interface and its defaults (`scheme_interface`), what the schemes call: zones
(`local_zone`, `s3_zone`, `hdfs_zone`), options (`access`), probes (`answers`), exclusive files
(`exclusive`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fraud_platform.adapters.jvm.s3_jars import S3_JARS
from fraud_platform.adapters.storage.access import S3Access, hdfs_options
from fraud_platform.adapters.storage.answers import (
    require_conditional_puts,
    require_hdfs,
    require_s3,
)
from fraud_platform.adapters.storage.exclusive import link_once, put_once, rename_once
from fraud_platform.adapters.storage.hdfs_zone import HdfsZone
from fraud_platform.adapters.storage.local_zone import LocalZone
from fraud_platform.adapters.storage.s3_zone import S3Zone
from fraud_platform.adapters.storage.scheme_interface import Scheme
from fraud_platform.contracts.zones import Zone


class LocalScheme(Scheme):
    """Folders of this machine; a file is created exclusively by a hard link."""

    name = "file"
    form = "a path"

    def local_path(self, url: str) -> Path:
        """Return the path of a URL."""
        return Path(url.removeprefix("file://").removeprefix("file:"))

    def open_zone(self, url: str, *, create: bool, client: Any = None) -> Zone:
        """Return the folder at a URL."""
        return LocalZone(self.local_path(url).absolute(), create=create)

    def create_once(self, url: str, data: bytes) -> bool:
        """Create a file, as `Scheme.create_once`."""
        return link_once(self.local_path(url), data)


class S3Scheme(Scheme):
    """Amazon S3 and servers like it; a file is created exclusively by a conditional put."""

    name = "s3"
    form = "s3://bucket/.."
    misspelt = ("s3a", "s3n")
    has_folders = False  # s3fs would make a bucket
    spark_jars = S3_JARS

    def open_zone(self, url: str, *, create: bool, client: Any = None) -> Zone:
        """Return the prefix at a URL."""
        return S3Zone(url, client)

    def access(self) -> S3Access:
        """Return the access from AWS's variables."""
        return S3Access.from_variables()

    def fsspec_options(self, access: S3Access | None) -> Mapping[str, Any]:
        """Return the options of s3fs."""
        return (access or self.access()).fsspec_options()

    def delta_options(self) -> dict[str, str]:
        """Return the storage options of delta-rs."""
        return self.access().delta_options()

    def hadoop_options(self) -> dict[str, str]:
        """Return the options of Hadoop's s3a."""
        return self.access().hadoop_options()

    def require_answer(self, url: str) -> None:
        """Ask for the bucket."""
        require_s3(url)

    def require_safe_commits(self, url: str) -> None:
        """Put one file twice."""
        require_conditional_puts(url)

    def create_once(self, url: str, data: bytes) -> bool:
        """Create a file, as `Scheme.create_once`."""
        return put_once(url, data)


class HdfsScheme(Scheme):
    """Hadoop's file system; a file is created exclusively by a rename."""

    name = "hdfs"
    form = "hdfs://host:port/.."
    misspelt = ("webhdfs",)
    is_raw = True

    def open_zone(self, url: str, *, create: bool, client: Any = None) -> Zone:
        """Return the folder at a URL."""
        return HdfsZone(url, create=create)

    def fsspec_options(self, access: Any) -> Mapping[str, Any]:
        """Return options that limit the retries for a namenode."""
        return hdfs_options()

    def delta_options(self) -> dict[str, str]:
        """Return options that limit the retries for a namenode."""
        return hdfs_options()

    def require_answer(self, url: str) -> None:
        """Ask the namenode for its root."""
        require_hdfs(url)

    def create_once(self, url: str, data: bytes) -> bool:
        """Create a file, as `Scheme.create_once`."""
        return rename_once(url, data)


SCHEMES: tuple[Scheme, ...] = (
    LocalScheme(),
    S3Scheme(),
    HdfsScheme(),
)
_OTHER = Scheme()


def scheme_of(url: str) -> Scheme:
    """Return the scheme of a URL; one with the defaults if it is not declared."""
    name = url.partition("://")[0] if "://" in url else "file"
    return next((scheme for scheme in SCHEMES if scheme.name == name), _OTHER)


def local_path(url: str) -> Path | None:
    """Return the path of a URL on this machine, or None if the URL is not local."""
    return scheme_of(url).local_path(url)


def table_url(url: str) -> str:
    """Return a URL as delta-rs and Spark understand it: a path if it is on this machine."""
    path = local_path(url)
    return url if path is None else str(path)


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it; see `Scheme.file_system`."""
    return scheme_of(url).file_system(url)


def create_once(url: str, data: bytes) -> bool:
    """Create a file with its whole content; False if another file has that name.

    Args:
        url: the file.
        data: unlike what any other writer writes there, so that a put whose answer was lost is
            recognised as this one.

    Raises:
        OSError: whether the file was created is unknown; read it to find out.
        SettingsError: the storage cannot create a file exclusively.
    """
    return scheme_of(url).create_once(url, data)


def delta_options(url: str) -> dict[str, str] | None:
    """Return delta-rs's storage options for a table's URL."""
    return scheme_of(url).delta_options()


def hadoop_options() -> dict[str, str]:
    """Return the options of Hadoop in Spark, for any URL."""
    options: dict[str, str] = {}
    for scheme in SCHEMES:
        options |= scheme.hadoop_options()
    return options


def spark_jars(urls: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the jars that Spark needs to read and write these URLs."""
    jars: dict[str, tuple[str, str]] = {}
    for url in urls:
        jars |= scheme_of(url).spark_jars
    return jars
