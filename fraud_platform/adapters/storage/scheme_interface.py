"""The interface of a storage scheme: everything that the platform must know about its URLs.

Here: the base class `Scheme`, whose defaults are those of any object store that fsspec supports.
Not here: the schemes (`adapters.storage.schemes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fraud_platform.adapters.storage.object_zone import ObjectZone
from fraud_platform.contracts.zones import Zone
from fraud_platform.errors import SettingsError

_used: dict[int, Any] = {}
"""All file systems of this process, kept alive. fsspec drops its cache in a forked child, where the
destructor of an HDFS client would wait for threads that do not exist. Spark starts its JVM from
such a child.
"""


class Scheme:
    """One kind of storage, known by the scheme of its URLs.

    Attributes:
        name: the scheme.
        form: how a URL looks, for error messages.
        misspelt: other schemes that people write for it; a message says what to write.
        has_folders: whether a file needs its folder to exist.
        is_raw: whether fsspec's files are unbuffered streams that cannot report their position.
        spark_jars: jars that Spark needs for it, see `adapters.jvm.jars`.
    """

    name: ClassVar[str] = ""
    form: ClassVar[str] = ""
    misspelt: ClassVar[tuple[str, ...]] = ()
    has_folders: ClassVar[bool] = True
    is_raw: ClassVar[bool] = False
    spark_jars: ClassVar[dict[str, tuple[str, str]]] = {}

    def local_path(self, url: str) -> Path | None:
        """Return the path of a URL on this machine; None if it is elsewhere."""
        return None

    def open_zone(self, url: str, *, create: bool, client: Any = None) -> Zone:
        """Return the zone at a URL.

        Args:
            url: the URL.
            create: create the folder if it is missing.
            client: the client to use, if the caller has one; None opens one.
        """
        file_system, root = self.file_system(url)
        return ObjectZone(url.rstrip("/"), file_system, root.rstrip("/"))

    def access(self) -> Any:
        """Return what tasks on other machines need to reach it, to be pickled; None: nothing."""
        return None

    def fsspec_options(self, access: Any) -> Mapping[str, Any]:
        """Return the options of fsspec's file system.

        Args:
            access: what `access` returned, perhaps on another machine; None: find it here.
        """
        return {}

    def delta_options(self) -> dict[str, str] | None:
        """Return the storage options of delta-rs."""
        return None

    def hadoop_options(self) -> dict[str, str]:
        """Return the options of Hadoop in Spark and DistCp."""
        return {}

    def require_answer(self, url: str) -> None:
        """Return if the storage of a URL answers now, within seconds.

        Raises:
            SettingsError: it refuses access, or has no such place.
            Outage: it does not answer.
        """

    def require_safe_commits(self, url: str) -> None:
        """Return if of two writers that create one file exactly one succeeds.

        Raises:
            SettingsError: both succeed, so a commit of a table could be lost.
        """

    def create_once(self, url: str, data: bytes) -> bool:
        """Create a file with its whole content; False if another file has that name.

        Raises:
            OSError: whether the file was created is unknown; read it to find out.
            SettingsError: the storage cannot create a file exclusively.
        """
        raise SettingsError(
            f"{url}: expected a local path, s3:// or hdfs://, on which a file can be created "
            "exclusively. Use one of these for the lake."
        )

    def file_system(self, url: str, access: Any = None) -> tuple[Any, str]:
        """Return fsspec's file system for a URL, and the path in it.

        Args:
            url: the URL.
            access: see `fsspec_options`.

        Raises:
            SettingsError: no installed package supports the protocol, or it rejects the options.
        """
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(url, **self.fsspec_options(access))
            _used[id(filesystem)] = filesystem
            return filesystem, path
        except (ImportError, ValueError) as error:
            raise SettingsError(
                f"{url}: expected a local path or a protocol that is installed ({error}). Write a "
                "path, s3://bucket/.. or hdfs://host:port/.."
            ) from None
