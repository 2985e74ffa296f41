"""Which code this is.

Here: a fingerprint of the package's own files, by which a failure of older code is known.
Not here: versions of tables (`adapters.tables`) and of models (`adapters.models`).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the package's version and a fingerprint of its modules as this process found them."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE)}\n".encode())
        digest.update(path.read_bytes())
    return f"{version('fraud-platform')}+{digest.hexdigest()[:12]}"
