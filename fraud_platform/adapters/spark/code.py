"""The platform's code as a zip archive that a cluster's executors import.

Here: the archive, with the declaration of this process's data set; its name contains a hash of its
content.
Not here: adding it to a session (`adapters.spark.session`).
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fraud_platform
from fraud_platform.contracts.active import DATA_SET, HANDED_OVER

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
        for name, content in _contents():
            archive.writestr(zipfile.ZipInfo(f"{_PACKAGE.name}/{name}", _SAME_DATE), content)
    part.replace(path)
    return path


@cache
def code_digest() -> str:
    """Return a hash of the running code, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, content in _contents():
        digest.update(f"{name}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _contents() -> Iterator[tuple[str, bytes]]:
    """Yield each file's path in the package and its content; a declaration is the last one."""
    for source in sorted(_PACKAGE.rglob("*.py")):
        yield source.relative_to(_PACKAGE).as_posix(), source.read_bytes()
    if DATA_SET.text:
        declared = {"name": DATA_SET.name, "text": DATA_SET.text, "kept": list(DATA_SET.kept)}
        yield HANDED_OVER, json.dumps(declared).encode()
