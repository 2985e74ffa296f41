"""A zone on S3, through boto3.

Here: listing, reading, and multipart uploads, which survive their writer and can be continued.
Not here: other zones (`zones`), translating errors (`failures`), access to S3 (`access`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fraud_platform.adapters.storage.access import S3Access, bucket_of, s3_client
from fraud_platform.adapters.storage.failures import translated
from fraud_platform.contracts.zones import CHUNK_BYTES, FileInfo, Sink

PART_BYTES = 32 << 20
"""Size of a part; S3 allows 10,000 parts, so files can have up to 320 GB."""
_LEAST_PART_BYTES = 5 << 20


class S3Zone:
    """A prefix of a bucket. A file appears when its upload is complete.

    Args:
        url: URL of the prefix.
        client: boto3 client; None creates one.
    """

    shows_unfinished = False

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url.rstrip("/")
        self._bucket = bucket_of(self._url)
        self._prefix = self._url.removeprefix(f"s3://{self._bucket}").strip("/")
        self._s3 = client or s3_client(S3Access.from_variables())

    @property
    def url(self) -> str:
        """The prefix's URL."""
        return self._url

    def url_of(self, name: str) -> str:
        """Return a file's URL."""
        return f"{self._url}/{name}"

    def list_files(self) -> list[FileInfo]:
        """Return the objects directly under the prefix, by name; empty if there are none."""
        start = f"{self._prefix}/" if self._prefix else ""
        with translated(self._url):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start, Delimiter="/"
            )
            found = [entry for page in pages for entry in page.get("Contents", ())]
        named = [(entry["Key"].removeprefix(start), entry) for entry in found]
        infos = [_info(name, e["Size"], e) for name, e in named if name]
        return sorted(infos, key=lambda info: info.name)

    def no_files(self) -> Mapping[str, str]:
        """Return nothing: the store has files alone, or folders that are no drop."""
        return {}

    def stat(self, name: str) -> FileInfo | None:
        """Return the description of an object, or None if it does not exist."""
        try:
            with self._reaching(name):
                found = self._s3.head_object(Bucket=self._bucket, Key=self._key(name))
        except FileNotFoundError:
            return None
        return _info(name, found["ContentLength"], found)

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield an object's bytes from `offset`."""
        info = self.stat(name)
        if info is None:
            raise FileNotFoundError(self.url_of(name))
        if offset >= info.size_bytes:
            return
        with self._reaching(name, reading=True):
            body = self._s3.get_object(
                Bucket=self._bucket, Key=self._key(name), Range=f"bytes={offset}-"
            )["Body"]
            yield from body.iter_chunks(CHUNK_BYTES)

    def put(self, name: str, data: bytes) -> None:
        """Write a small object."""
        with self._reaching(name):
            self._s3.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def remove(self, name: str) -> None:
        """Remove an object, if it exists."""
        with self._reaching(name):
            self._s3.delete_object(Bucket=self._bucket, Key=self._key(name))

    def can_resume(self, name: str, at: int) -> bool:
        """Return whether an unfinished upload has first parts of exactly `at` bytes in total."""
        return self._unfinished(name, at) is not None

    def begin(self, name: str, resume_at: int = 0) -> Sink:
        """Start an upload, or continue an unfinished one after its first `resume_at` bytes."""
        kept = self._unfinished(name, resume_at) if resume_at else None
        if resume_at and kept is None:
            raise ValueError(f"{self.url_of(name)} has no unfinished upload of {resume_at} bytes")
        with self._reaching(name):
            for key in () if kept else self._uploads(name):
                self._s3.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key(name), UploadId=key
                )
            upload, parts = kept or (self._create(name), [])
        return _S3Sink(self._s3, self.url_of(name), self._bucket, self._key(name), upload, parts)

    def free_bytes(self) -> int | None:
        """Return None: an object store has no limit."""
        return None

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".lstrip("/")

    def _reaching(self, name: str, *, reading: bool = False) -> Any:
        return translated(self.url_of(name), reading=reading)

    def _create(self, name: str) -> str:
        made = self._s3.create_multipart_upload(Bucket=self._bucket, Key=self._key(name))
        return str(made["UploadId"])

    def _uploads(self, name: str) -> list[str]:
        """Return the ids of a file's unfinished uploads, newest first."""
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=self._key(name)
        )
        found = [
            u for page in pages for u in page.get("Uploads", ()) if u["Key"] == self._key(name)
        ]
        return [u["UploadId"] for u in sorted(found, key=lambda u: u["Initiated"], reverse=True)]

    def _unfinished(self, name: str, at: int) -> tuple[str, list[dict[str, Any]]] | None:
        """Return an upload and its first parts of exactly `at` bytes in total, or None."""
        with self._reaching(name):
            for upload in self._uploads(name):
                pages = self._s3.get_paginator("list_parts").paginate(
                    Bucket=self._bucket, Key=self._key(name), UploadId=upload
                )
                size, kept = 0, []
                found = sorted((p for page in pages for p in page.get("Parts", ())), key=_number)
                for number, part in enumerate(found, 1):
                    if part["PartNumber"] != number or size >= at:
                        break
                    size += part["Size"]
                    kept.append({"PartNumber": number, "ETag": part["ETag"]})
                if size == at:
                    return upload, kept
        return None


class _S3Sink:
    """A multipart upload, starting with the first missing part."""

    def __init__(
        self, s3: Any, url: str, bucket: str, key: str, upload: str, parts: list[dict[str, Any]]
    ) -> None:
        self._s3, self._url = s3, url
        self._place = {"Bucket": bucket, "Key": key, "UploadId": upload}
        self._parts, self._waiting = list(parts), bytearray()

    def write(self, data: bytes) -> None:
        """Append bytes; complete parts are uploaded."""
        self._waiting += data
        while len(self._waiting) >= PART_BYTES:
            self._upload(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]

    def sync(self) -> None:
        """Upload the buffered bytes, if they are enough for a part."""
        if len(self._waiting) >= _LEAST_PART_BYTES:
            self._upload(bytes(self._waiting))
            self._waiting.clear()

    def finish(self) -> None:
        """Upload the last part."""
        if self._waiting or not self._parts:
            self._upload(bytes(self._waiting))
            self._waiting.clear()

    def close(self) -> None:
        """Stop writing and keep the uploaded parts."""

    def publish(self) -> None:
        """Complete the upload, so that the object appears."""
        self.finish()
        with translated(self._url):
            self._s3.complete_multipart_upload(
                **self._place, MultipartUpload={"Parts": self._parts}
            )

    def discard(self) -> None:
        """Abort the upload and remove its parts."""
        try:
            with translated(self._url):
                self._s3.abort_multipart_upload(**self._place)
        except FileNotFoundError:
            return

    def _upload(self, data: bytes) -> None:
        number = len(self._parts) + 1
        with translated(self._url):
            done = self._s3.upload_part(**self._place, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": done["ETag"]})


def _number(part: dict[str, Any]) -> int:
    return int(part["PartNumber"])


def _info(name: str, size_bytes: int, entry: dict[str, Any]) -> FileInfo:
    return FileInfo(name, size_bytes, str(entry["ETag"]), entry["LastModified"].timestamp())
