"""Whether a model's files are the bytes that were registered.

Here: one digest over the names and bytes of all files, and the check that comes before any of them
is parsed.
Not here: where the expected digest is kept (`adapters.models.registry` as a tag,
`promotion.history` in each decision), loading the model (`training.candidate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from fraud_platform.errors import ModelDamagedError

_SHOWN = 16
"""Characters of a digest in a message."""


def files_digest(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over the names and bytes of files, in name order.

    A name ends with a zero byte and a content's own digest has a fixed length, so two different
    sets of files never give the same input.

    Args:
        files: content by name, with `/` between folders.
    """
    digest = hashlib.sha256()
    for name in sorted(files, key=PurePosixPath):
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def folder_digest(folder: Path) -> str:
    """Return `files_digest` of a folder."""
    return files_digest(read_files(folder))


def require_digest(
    model: str, expected: str | None, found: str, kept_by: str = "the registry"
) -> None:
    """Require that a model's files have the digest that something else than these files names.

    Args:
        model: name and version, for the message.
        expected: the digest that was kept; None if none was.
        found: the digest of the given files.
        kept_by: what keeps the expected digest, for the message.

    Raises:
        ModelDamagedError: it is another one, or none was kept.
    """
    if expected == found:
        return
    remedy = (
        "The model is not loaded. Restore its artifacts from a backup, or go back to the champion "
        'before it (`fraud-platform rollback --why ".."`).'
    )
    if not expected:
        raise ModelDamagedError(
            f"model {model}: expected {kept_by} to name the SHA-256 of its files (tag "
            f"content_sha256), found none, so its {len(found) // 2}-byte digest "
            f"{found[:_SHOWN]} cannot be checked. {remedy}"
        )
    raise ModelDamagedError(
        f"model {model}: expected files with SHA-256 {expected[:_SHOWN]} as {kept_by} names it, "
        f"found {found[:_SHOWN]}: a file was changed, is missing or belongs to another model. "
        f"{remedy}"
    )
