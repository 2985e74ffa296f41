"""Secrets that are planted in order to be looked for in everything that the platform writes.

Here: a canary for every secret setting, found by its type; the places where one could have gone;
the search.
Not here: running the platform (`testing.worlds.server`), what is judged
(`integration.test_canaries`).
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import secrets
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from fraud_platform.settings import Settings
from fraud_platform.settings.secrets import secret_names, variable
from fraud_platform_tests.testing.servers.postgres import Postgres

_HEX = re.compile(rb"\\\\?x((?:[0-9a-f]{2}){8,})")
OTHERS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Secrets that clients take from variables of their own."""


def make_canaries() -> dict[str, str]:
    """Return a canary for every variable that holds a secret."""
    names = [variable(name) for name in secret_names(Settings.model_fields)]
    return {name: f"canary{secrets.token_hex(12)}" for name in (*names, *OTHERS)}


class CommandLines:
    """Every command line that any process of this machine had while the block lasted."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.seen.add(path.read_bytes())


Place = tuple[str, bytes]


def files(folder: Path, apart: Iterable[Path]) -> Iterator[Place]:
    """Yield every file below a folder, as it is and decompressed, some folders apart."""
    left_out = [path.resolve() for path in apart]
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(path.resolve().is_relative_to(p) for p in left_out):
            continue
        content = path.read_bytes()
        yield str(path), content
        if content[:2] == b"\x1f\x8b":
            yield f"{path} (decompressed)", gzip.decompress(content)
        if content[:4] == b"PAR1":
            yield f"{path} (rows)", _rows(path)


def databases(postgres: Postgres) -> Iterator[Place]:
    """Yield both databases as text, and their binary values, decompressed where they were not."""
    for database in ("dagster", "mlflow"):
        dump = postgres.text(database).encode()
        yield f"database {database}", dump
        for number, match in enumerate(_HEX.finditer(dump)):
            value = bytes.fromhex(match[1].decode())
            yield f"database {database}, binary value {number}", value
            with suppress(zlib.error):
                yield f"database {database}, packed value {number}", zlib.decompress(value)


def found(canaries: Mapping[str, str], places: Iterable[Place]) -> list[str]:
    """Return where which canary is, in plain words or in base64."""
    forms = {
        name: (canary.encode(), base64.b64encode(canary.encode()).rstrip(b"=")[:-1])
        for name, canary in canaries.items()
    }
    return [
        f"{name} in {place}"
        for place, content in places
        for name, wanted in forms.items()
        if any(form in content for form in wanted)
    ]


def _rows(path: Path) -> bytes:
    import pyarrow.parquet as pq

    # one file alone: the folders of a Delta table look like partitions
    return json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).encode()
