"""Which worker runs which file of tests, and in which order.

Here: a scheduler for pytest-xdist.
Not here: how many workers there are (the Makefile), fixtures.

All tests of a file run in one worker, as with `--dist loadfile`. In addition:

- Files with real systems come first, the many quick ones last, so that all workers end together.
- Files that use Spark go to the first worker while it has others to choose from: each worker that
  runs such a file starts a JVM, which is slow until it has run everything once.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController

SPARK_WORKER = "gw0"
_FOLDERS = ("integration", "orchestration")
"""Folders of tests with real systems, the longest first."""
_USES_SPARK = re.compile(
    r"^(async )?def \w+\([^)]*\b(spark|publish)\b\s*[:,)]|getfixturevalue\(.spark.\)", re.MULTILINE
)


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives files that use Spark to one worker, and starts with files that need real systems."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._spark: dict[str, bool] = {}

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Assign the file that suits a worker best."""
        wants_spark = node.gateway.id == SPARK_WORKER
        files = list(self.workqueue)
        best = min(files, key=lambda file: (self._uses_spark(file) != wants_spark, rank(file)))
        self.workqueue.move_to_end(best, last=False)
        super()._assign_work_unit(node)

    def _uses_spark(self, file: str) -> bool:
        if file not in self._spark:
            self._spark[file] = uses_spark((self.config.rootpath / file).read_text())
        return self._spark[file]


def rank(file: str) -> int:
    """Return the place of a file's folder in the order of running; the quick ones are last."""
    folders = Path(file).parts
    places = [place for place, name in enumerate(_FOLDERS) if name in folders]
    return places[0] if places else len(_FOLDERS)


def uses_spark(source: str) -> bool:
    """Return whether a test or fixture of a module takes the embedded Spark session."""
    return _USES_SPARK.search(source) is not None
