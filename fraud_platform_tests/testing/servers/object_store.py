"""An object store in memory with fsspec's own buffered file, for tests of zones."""

from __future__ import annotations

import hashlib
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from fraud_platform.adapters.storage.object_zone import ObjectZone


class StoreFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """An upload as s3fs does it: parts as they fill up, visible when it is completed."""

    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.parts.append(self.buffer.getvalue())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        self.fs.objects[self.path] = b"".join(self.parts)

    def discard(self) -> None:
        self.parts = []
        self.fs.uploads_abandoned += 1

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.objects[self.path][start:end]


class Store(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """An object store in memory, with an object store's own rules: flat, whole objects, ETags."""

    protocol = "store"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.objects: dict[str, bytes] = {}
        self.uploads_abandoned = 0

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        prefix = path.strip("/") + "/"
        found = [self.info(name) for name in self.objects if name.startswith(prefix)]
        if not found:
            raise FileNotFoundError(path)
        return found

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        if path not in self.objects:
            raise FileNotFoundError(path)
        etag = hashlib.md5(self.objects[path]).hexdigest()
        return {"name": path, "size": len(self.objects[path]), "type": "file", "ETag": etag}

    def _open(self, path: str, mode: str = "rb", **options: Any) -> StoreFile:
        return StoreFile(self, path, mode, **options)

    def rm_file(self, path: str) -> None:
        self.objects.pop(path, None)


def new_object_zone() -> ObjectZone:
    """An empty zone in a store of its own."""
    return ObjectZone("store://bucket/raw", Store(), "bucket/raw")
