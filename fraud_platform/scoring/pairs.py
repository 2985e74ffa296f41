"""Two tables under one sequence of numbers: results and their dead messages.

Here: `PairedTables`, in which the commit of the results decides both tables.
Not here: numbers and Delta (`adapters.tables.numbered`), what the rows mean (`scoring.log`,
`scoring.label_intake`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.kill_points import kill_point
from fraud_platform.tables.row_files import write_rows

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import ScoredTables

_DEAD_FILES = "dead_files"


class PairedTables:
    """A table of results whose commits name their files of dead messages.

    Guarantee: the dead messages are exactly those of the results' commits, each once. Their file
    is written first, then named in the commit of the results, then added under the same number. If
    a process dies in between, the next `settle` adds the file. If a process loses the number to
    another one, its file stays outside of every table.

    Args:
        results, dead: the two tables; `dead` gets a commit only if there are dead messages.
        application: owner of the numbers; names of kill points begin with it.
    """

    def __init__(
        self, lake: ScoredTables, results: TableContract, dead: TableContract, application: str
    ) -> None:
        self._lake, self._dead_contract, self._application = lake, dead, application
        self.results = lake.numbered(results, application)
        self.dead = lake.numbered(dead, application)

    def settle(self) -> None:
        """Read new commits of the results, and add dead messages that only these commits name.

        A number is committed only after the previous one was settled, so at most the last one is
        open. Any process may call this at any time.
        """
        self.results.refresh()
        metadata = self.results.metadata()
        files = [DataFile(**file) for file in metadata.get(_DEAD_FILES, ())]
        self.dead.refresh()
        if files and self.dead.number < metadata["number"]:
            self.dead.append(files, metadata["number"])

    def commit(
        self, number: int, files: list[DataFile], dead: pa.Table, metadata: Mapping[str, Any]
    ) -> bool:
        """Commit results with their dead messages; False if the number is taken."""
        url = self._lake.uri(self._dead_contract)
        dead_files = write_rows(self._lake.files, url, self._dead_contract, dead)
        kill_point(f"{self._application}.dead_written")
        metadata = {**metadata, _DEAD_FILES: [asdict(file) for file in dead_files]}
        if not self.results.append(files, number, metadata):
            return False
        kill_point(f"{self._application}.committed")
        if dead_files:
            self.dead.append(dead_files, number)
        kill_point(f"{self._application}.dead_committed")
        return True

    def commits(self) -> Iterator[dict[str, Any]]:
        """Yield the metadata of the commits, the last one first."""
        return self.results.commits()
