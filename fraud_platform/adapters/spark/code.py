"""The platform's code as a zip archive that a cluster's executors import.

Here: the archive; its name contains a hash of its content.
Not here: adding it to a session (`adapters.spark.session`).
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from functools import cache
from pathlib import Path

import fraud_platform

_PACKAGE = Path(fraud_platform.__file__).parent
_SAME_DATE = (2020, 1, 1, 0, 0, 0)


def code_archive(folder: Path) -> Path:
    """Return the archive of the running code, written atomically to `folder` if missing."""
    path = folder / f"fraud_platform-{code_digest()}.zip"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in _sources():
            name = f"{_PACKAGE.name}/{source.relative_to(_PACKAGE).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name, _SAME_DATE), source.read_bytes())
    part.replace(path)
    return path


@cache
def code_digest() -> str:
    """Return a hash of the running code, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for source in _sources():
        digest.update(f"{source.relative_to(_PACKAGE).as_posix()}\n".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> list[Path]:
    return sorted(_PACKAGE.rglob("*.py"))
