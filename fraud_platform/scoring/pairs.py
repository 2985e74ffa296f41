"""Two tables under one sequence of numbers: results, and the dead messages beside them.

Here: `PairedTables`, by which the commit of the results decides for both.
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
from fraud_platform.scoring.files import write_rows

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import ScoredTables

_DEAD_FILES = "dead_files"


class PairedTables:
    """A table of results whose commits name the files of dead messages that go with them.

    Guarantee: the dead messages are exactly those of the results' commits, each once. Their file
    is written first, named by the commit of the results, then added under the same number. Who
    dies between both leaves the second half to the next `settle`; who loses the number to another
    leaves a file that no table names.

    Args:
        results, dead: the two tables; `dead` gets a commit only where there are dead messages.
        application: whose numbers they are; kill points begin with it.
    """

    def __init__(
        self, lake: ScoredTables, results: TableContract, dead: TableContract, application: str
    ) -> None:
        self._lake, self._dead_contract, self._application = lake, dead, application
        self.results = lake.numbered(results, application)
        self.dead = lake.numbered(dead, application)

    def settle(self) -> None:
        """Read what the results' log has got since, and add dead messages that it alone names.

        Whoever commits a number has settled the one before, so only the last can be open. It may
        be called by anybody at any time.
        """
        self.results.refresh()
        said = self.results.metadata()
        files = [DataFile(**file) for file in said.get(_DEAD_FILES, ())]
        self.dead.refresh()
        if files and self.dead.number < said["number"]:
            self.dead.append(files, said["number"])

    def commit(
        self, number: int, files: list[DataFile], dead: pa.Table, metadata: Mapping[str, Any]
    ) -> bool:
        """Commit results and the dead messages beside them; False if the number is taken."""
        url = self._lake.uri(self._dead_contract)
        dead_files = write_rows(self._lake.files, url, self._dead_contract, dead)
        kill_point(f"{self._application}.dead_written")
        said = {**metadata, _DEAD_FILES: [asdict(file) for file in dead_files]}
        if not self.results.append(files, number, said):
            return False
        kill_point(f"{self._application}.committed")
        if dead_files:
            self.dead.append(dead_files, number)
        kill_point(f"{self._application}.dead_committed")
        return True

    def commits(self) -> Iterator[dict[str, Any]]:
        """Yield what the commits say of themselves, the last one first."""
        return self.results.commits()
