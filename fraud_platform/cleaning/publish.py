"""Publishing a drop: quarantine, transactions, labels, and last the ledger's mark.

Here: the order of the commits, whether a drop is held, which other drops change with it.
Not here: cleaning a drop's text (`drop`), the tables' storage (`adapters.tables.lake`).

Guarantee: whatever point a run dies at, and whatever becomes of the next one, published, held or
refused, the tables are those of a lake in which the dead run never was. All files are written
first and belong to nothing. Each table then changes in one commit that replaces whole drops; the
ledger's row comes last, and commits without it are undone before anything else is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fraud_platform.cleaning.drop import CleanedDrop, clean_text, discard
from fraud_platform.cleaning.label_clock import LabelClock
from fraud_platform.cleaning.labels import write_labels, write_told
from fraud_platform.cleaning.ledger import (
    HELD,
    PUBLISHED,
    DropOutcome,
    LakeState,
    counts_of,
    read_state,
    write_ledger,
)
from fraud_platform.cleaning.parquet_files import CLEAN_DDL
from fraud_platform.cleaning.raw_text import holding_still, open_text
from fraud_platform.cleaning.stored import StoredFile, read_files, waiting_file
from fraud_platform.cleaning.tasks import Destination
from fraud_platform.cleaning.unfinished import COMMITTED, require_standing, undo_unfinished
from fraud_platform.contracts.reasons import Reason
from fraud_platform.contracts.tables import DROP_LABELS, QUARANTINE, TRANSACTIONS, TableContract
from fraud_platform.errors import NotHeldError
from fraud_platform.faults import kill_point

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fraud_platform.adapters.tables.lake import Lake

_OF_PUBLISHED = ("published_sha256", "published_path", "transactions_version")
_QUARANTINE_DDL = "transaction_id long, reason string"
_COPIES = [Reason.DUPLICATE_ID.value, Reason.CONFLICTING_DUPLICATE_ID.value]


def publish_drop(
    spark: SparkSession,
    lake: Lake,
    raw_path: str,
    drop: str,
    *,
    content_sha256: str,
    size_bytes: int,
    run_id: str,
    max_quarantined_share: float,
    accepted_because: str | None = None,
    clock: LabelClock | None = None,
) -> DropOutcome:
    """Clean a raw drop and publish it, or hold it.

    Args:
        raw_path: URL of the raw file, plain text or compressed.
        drop: the drop's key, its first day.
        content_sha256: checksum of the raw file, in hex.
        size_bytes: size of the raw file.
        run_id: the run that does it, for the ledger.
        max_quarantined_share: a drop above it is held, unless it is accepted or this very
            content is published already.
        accepted_because: a person's reason to publish this held content whatever its share.
        clock: the moments that decide from when its labels count; none before the first drop.

    Returns:
        The drop's ledger row and the drops that were rewritten with it.

    Raises:
        DropUnreadableError: empty, truncated, damaged, without rows, gone, or another content.
        DropChangedError: the raw file was replaced while it was cleaned.
        NotHeldError: `accepted_because` is given and the ledger holds no such content.
        DropHeaderError: the header differs from the contract.
        ConservationError: rows in and rows out differ.
    """
    lake.ensure(TRANSACTIONS)
    undo_unfinished(lake)
    source = _Source(raw_path, content_sha256, size_bytes)
    publication = _Publication(spark, lake, drop, run_id, read_state(lake), clock or LabelClock())
    before = publication.state.ledger.get(drop, {})
    if accepted_because is None and before.get("content_sha256") == content_sha256:
        accepted_because = before.get("accepted_because")
    _require_held(drop, before, content_sha256, accepted_because)
    try:
        landed = publication.clean(
            drop, raw_path, content_sha256, "Materialize raw_drops for this drop again."
        )
        held_because = None
        if accepted_because is None and before.get("published_sha256") != content_sha256:
            held_because = _reason_to_hold(landed, max_quarantined_share)
        row = _ledger_row(source, landed, publication) | {
            "held_because": held_because,
            "accepted_because": accepted_because,
        }
        if held_because is not None:
            return publication.hold(landed, row)
        return publication.publish(landed, row)
    finally:
        lake.files.remove_folder(publication.scratch)


@dataclass(frozen=True)
class _Source:
    raw_path: str
    content_sha256: str
    size_bytes: int


class _Publication:
    """One run's work on one drop and on those that change with it."""

    def __init__(
        self,
        spark: SparkSession,
        lake: Lake,
        drop: str,
        run_id: str,
        state: LakeState,
        clock: LabelClock,
    ) -> None:
        self.spark, self.lake, self.drop, self.run_id, self.state = spark, lake, drop, run_id, state
        self.clock = clock
        self.name = uuid.uuid4().hex
        self.scratch = f"{lake.url}/_scratch/{drop}"
        self.waiting: list[CleanedDrop] = []
        lake.files.remove_folder(self.scratch)

    @property
    def metadata(self) -> dict[str, str]:
        """What each commit says about itself."""
        return {"drop": self.drop, "run_id": self.run_id, "publication": self.name}

    def clean(self, drop: str, raw_path: str, sha256: str, remedy: str) -> CleanedDrop:
        """Clean one drop's content against the drops before it, stored or waiting."""
        files = self.lake.files
        published = self.state.ledger.get(drop, {}).get("published_sha256")
        is_new = drop == self.drop and published is None
        destination = Destination(
            f"{self.lake.uri(TRANSACTIONS)}/drop={drop}",
            f"{self.lake.uri(QUARANTINE)}/drop={drop}",
            f"{self.scratch}/suspects-{drop}",
            self.name,
            f"{self.lake.uri(DROP_LABELS)}/drop={drop}" if is_new else None,
            replace(self.clock, told_since=None),
        )
        waiting = [
            waiting_file(cleaned.drop, file) for cleaned in self.waiting for file in cleaned.clean
        ]
        replaced = {cleaned.drop for cleaned in self.waiting}
        stored = [file for file in self.state.clean if file.drop not in replaced]
        earlier = [file for file in (*stored, *waiting) if file.drop < drop]
        with (
            holding_still(files, raw_path, sha256, remedy),
            open_text(files, raw_path, self.scratch) as text,
        ):
            cleaned = clean_text(self.spark, files, drop, text, destination, earlier)
        self.waiting.append(cleaned)
        return cleaned

    def hold(self, landed: CleanedDrop, row: dict[str, Any]) -> DropOutcome:
        """Write the ledger's row; quarantine too, where no content of the drop is published."""
        before = self.state.ledger.get(self.drop, {})
        row |= {name: before.get(name) for name in _OF_PUBLISHED}
        if row["published_sha256"] is None:
            self._commit(QUARANTINE, [landed])
            require_standing(self.lake, [QUARANTINE], self.name)
            discard(self.lake.files, landed, ["clean", "labels"])
        else:
            discard(self.lake.files, landed)
            row["publication"] = before.get("publication", self.name)
        kill_point("cleaning.before_ledger")
        (written,) = write_ledger(self.lake, [row | {"status": HELD}], self.metadata)
        return DropOutcome(self.drop, HELD, written)

    def publish(self, landed: CleanedDrop, row: dict[str, Any]) -> DropOutcome:
        """Commit the drop and the later ones that share ids with it, table by table."""
        followers = [self._clean_again(drop) for drop in self._followers(landed)]
        changed = [landed, *followers]
        drops = [cleaned.drop for cleaned in changed]
        told = write_told(self.lake, changed, self.clock, self.scratch)
        kill_point("cleaning.before_quarantine")
        self._commit(QUARANTINE, changed)
        kill_point("cleaning.after_quarantine")
        version = self._commit(TRANSACTIONS, changed)
        kill_point("cleaning.after_transactions")
        write_labels(self.spark, self.lake, changed, told, self.clock, self.metadata)
        kill_point("cleaning.after_labels")
        mark = {"publication": self.name, "transactions_version": version}
        rows = [row | mark | {"status": PUBLISHED}]
        rows += [self._row_of_follower(cleaned) | mark for cleaned in followers]
        require_standing(self.lake, COMMITTED, self.name)
        kill_point("cleaning.before_ledger")
        written, *_ = write_ledger(self.lake, rows, self.metadata)
        kill_point("cleaning.after_ledger")
        return DropOutcome(self.drop, PUBLISHED, written, tuple(drops[1:]))

    def _row_of_follower(self, cleaned: CleanedDrop) -> dict[str, Any]:
        """Return a rewritten drop's ledger row; a held replacement keeps its own counts."""
        before = dict(self.state.ledger[cleaned.drop])
        return before if before["status"] == HELD else before | counts_of(cleaned)

    def _followers(self, landed: CleanedDrop) -> list[str]:
        """Return the later published drops that share ids with what this one holds or held."""
        from pyspark.sql import functions as F

        later = {
            drop
            for drop, row in self.state.ledger.items()
            if drop > self.drop and row["published_sha256"] is not None
        }
        own = [waiting_file(self.drop, file) for file in landed.clean]
        own += [file for file in self.state.clean if file.drop == self.drop]
        near = [
            [file for file in files if file.drop in later and _meets_any(file, own)]
            for files in (self.state.clean, self.state.quarantine)
        ]
        rows = read_files(self.spark, near[0], CLEAN_DDL)
        copies = read_files(self.spark, near[1], _QUARANTINE_DDL)
        if copies is not None:
            copies = copies.where(F.col("reason").isin(_COPIES))
        found: set[str] = set()
        for others in (rows, copies):
            own_rows = None if others is None else read_files(self.spark, own, CLEAN_DDL)
            if own_rows is not None and others is not None:
                own_ids = own_rows.select("transaction_id")
                shared = others.join(own_ids, "transaction_id", "left_semi")
                found |= {row.drop for row in shared.select("drop").distinct().collect()}
        return sorted(found)

    def _clean_again(self, drop: str) -> CleanedDrop:
        """Clean a later published drop from its raw file.

        Raises:
            DropUnreadableError: the raw file is no longer the content that is published.
        """
        row = self.state.ledger[drop]
        remedy = (
            f"Drop {self.drop} shares ids with the published drop {drop}, which has to be cleaned "
            f"again. Publish or accept {drop} as it is now, then run {self.drop} again."
        )
        return self.clean(drop, row["published_path"], row["published_sha256"], remedy)

    def _commit(self, table: TableContract, drops: Sequence[CleanedDrop]) -> int:
        files = [
            file.in_table(self.lake.uri(table), cleaned.drop)
            for cleaned in drops
            for file in (cleaned.clean if table is TRANSACTIONS else cleaned.quarantine)
        ]
        names = [cleaned.drop for cleaned in drops]
        return self.lake.commit_files(table, files, "drop", names, self.metadata)


def _meets_any(file: StoredFile, others: Sequence[StoredFile]) -> bool:
    return any(file.meets(other.low, other.high) for other in others)


def _require_held(
    drop: str, before: Mapping[str, Any], content_sha256: str, accepted_because: str | None
) -> None:
    """Raise unless a person's word is about what the ledger holds, or has been done already."""
    if accepted_because is None:
        return
    if before.get("status") != HELD and before.get("accepted_because") != accepted_because:
        raise NotHeldError(
            f"drop {drop}: expected a drop that is held, to accept it, found it "
            f"{before.get('status', 'never cleaned')}. The table cleaning_ledger says what is held."
        )
    if before["content_sha256"] != content_sha256:
        raise NotHeldError(
            f"drop {drop}: expected the held content with SHA-256 {before['content_sha256']} in "
            f"the raw zone, found {content_sha256}, which came since. Let it be cleaned; where it "
            "is held too, accept that."
        )


def _reason_to_hold(cleaned: CleanedDrop, max_quarantined_share: float) -> str | None:
    share = cleaned.rows_quarantined / cleaned.rows_read
    if share <= max_quarantined_share:
        return None
    counts = {reason: cleaned.counts[f"rejected_{reason}"] for reason in Reason}
    listed = ", ".join(f"{reason} {count}" for reason, count in counts.items() if count)
    return (
        f"{cleaned.rows_quarantined} of {cleaned.rows_read} rows ({share:.2%}) are quarantined, "
        f"more than {max_quarantined_share:.2%}: {listed}"
    )


def _ledger_row(source: _Source, cleaned: CleanedDrop, publication: _Publication) -> dict[str, Any]:
    return {
        "drop": cleaned.drop,
        "raw_path": source.raw_path,
        "content_sha256": source.content_sha256,
        "size_bytes": source.size_bytes,
        **counts_of(cleaned),
        "transactions_version": None,
        "published_sha256": source.content_sha256,
        "published_path": source.raw_path,
        "publication": publication.name,
        "run_id": publication.run_id,
    }
