"""Publishing a drop: commits to quarantine, transactions, labels, and last the ledger.

Here: the order of the commits, whether a drop is held, which other drops change with it.
Not here: cleaning a drop's text (`drop`), the tables' storage (`adapters.tables.lake`).

Guarantee: if a run fails at any point, then after the next run, whether it publishes, holds or
refuses its drop, the tables are as if the failed run had never started. All files are written
first, outside of any table. Then each table changes in one commit that replaces whole drops, and
the ledger's row is committed last. A run first undoes commits that have no row in the ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fraud_platform.cleaning.drop import CleanedDrop, clean_text, discard
from fraud_platform.cleaning.fraud_share import published_others, reason_of_fraud_share
from fraud_platform.cleaning.holding import Limits, reason_of_taking, reason_to_hold
from fraud_platform.cleaning.labels import write_labels, write_topic_labels
from fraud_platform.cleaning.ledger import (
    HELD,
    PUBLISHED,
    DropOutcome,
    LakeState,
    count_kinds,
    counts_of,
    read_state,
    write_ledger,
)
from fraud_platform.cleaning.parquet_files import CLEAN_DDL
from fraud_platform.cleaning.raw_text import RawText, UnpackLimits, holding_still, open_text
from fraud_platform.cleaning.stored import StoredFile, read_files, waiting_file
from fraud_platform.cleaning.tasks import Destination
from fraud_platform.cleaning.texts import part_shared_surrogates
from fraud_platform.cleaning.unfinished import COMMITTED, require_standing, undo_unfinished
from fraud_platform.contracts.active import DATA_SET, SOURCE
from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.tables import DROP_LABELS, QUARANTINE, TRANSACTIONS, TableContract
from fraud_platform.errors import DropUnreadableError, NotHeldError
from fraud_platform.kill_points import kill_point
from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.rows.exceptions import read_exceptions
from fraud_platform.tables.texts import TEXTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fraud_platform.cleaning.ports import CleaningTables

_OF_PUBLISHED = ("published_sha256", "published_path", "transactions_version")
_KINDS = {TRANSACTIONS: "clean", QUARANTINE: "quarantine", TEXTS: "texts"}
_HAS_TEXTS = SOURCE.has_text_keys or any(fact.kind == "category" for fact in SOURCE.facts)
_QUARANTINE_DDL = "transaction_id long, reason string"
_COPIES = [
    reason.value
    for reason in (Reason.DUPLICATE_ID, Reason.CONFLICTING_DUPLICATE_ID, Reason.ID_COLLISION)
]


def publish_drop(
    spark: SparkSession,
    lake: CleaningTables,
    raw_path: str,
    drop: str,
    *,
    content_sha256: str,
    size_bytes: int,
    run_id: str,
    limits: Limits,
    unpacking: UnpackLimits,
    accepted_because: str | None = None,
    clock: LabelClock | None = None,
    data_set: DataSet = DATA_SET,
) -> DropOutcome:
    """Clean a raw drop and publish or hold it.

    Args:
        spark: session that runs the jobs.
        lake: the lake.
        raw_path: URL of the raw file, plain text or compressed.
        drop: the drop's key, its first day.
        content_sha256: checksum of the raw file, in hex.
        size_bytes: size of the raw file.
        run_id: id of the run, for the ledger.
        limits: above which the drop is held, unless it is accepted or the same content is
            already published.
        unpacking: how much text a packed drop may have.
        accepted_because: a person's reason to publish this held content in spite of its share.
        clock: the times that determine from when its labels count; by default no scored or
            published data.
        data_set: declares the drop's format; its tables must be those of this process.

    Returns:
        The drop's ledger row and the drops that were rewritten with it.

    Raises:
        DropUnreadableError: the raw file is empty, truncated, damaged, without rows or missing,
            or has another checksum.
        DropTooLargeError: it is packed, and has more text than is allowed.
        DropChangedError: the raw file was replaced while it was cleaned.
        NotHeldError: `accepted_because` is given, but this content is not held.
        DropHeaderError: the header differs from the contract.
        ConservationError: the numbers of rows read and written differ.
    """
    lake.prepare(TRANSACTIONS)
    undo_unfinished(lake)
    source = _Source(raw_path, content_sha256, size_bytes)
    since = {table: lake.prepare(table) for table in COMMITTED}
    publication = _Publication(
        spark, lake, drop, run_id, read_state(lake), clock or LabelClock(), unpacking, data_set
    )
    publication.since = since
    before = publication.state.ledger.get(drop, {})
    if accepted_because is None and before.get("content_sha256") == content_sha256:
        accepted_because = before.get("accepted_because")
    _require_held(drop, before, content_sha256, accepted_because)
    try:
        landed = publication.clean(
            drop, raw_path, content_sha256, "Materialize raw_drops for this drop again."
        )
        is_known = before.get("published_sha256") == content_sha256
        if accepted_because is not None or is_known:
            limits = replace(limits, quarantined=1.0)
        held_because, followers = publication.judge(landed, limits)
        row = _ledger_row(source, landed, publication) | {
            "held_because": held_because,
            "accepted_because": accepted_because,
        }
        if held_because is not None:
            return publication.hold(landed, followers, row)
        return publication.publish(landed, followers, row)
    finally:
        lake.files.remove_folder(publication.scratch)


@dataclass(frozen=True)
class _Source:
    raw_path: str
    content_sha256: str
    size_bytes: int


class _Publication:
    """The publication of one drop, and of the drops that change with it, by one run."""

    def __init__(
        self,
        spark: SparkSession,
        lake: CleaningTables,
        drop: str,
        run_id: str,
        state: LakeState,
        clock: LabelClock,
        unpacking: UnpackLimits,
        data_set: DataSet,
    ) -> None:
        self.spark, self.lake, self.drop, self.run_id, self.state = spark, lake, drop, run_id, state
        self.clock, self.unpacking, self.data_set = clock, unpacking, data_set
        self.name = uuid.uuid4().hex
        self.scratch = f"{lake.url}/_scratch/{drop}"
        self.waiting: list[CleanedDrop] = []
        self.since: Mapping[TableContract, int] = {}
        """The versions that the state was read from: what others replace later stops the commit."""
        lake.files.remove_folder(self.scratch)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of each commit."""
        return {"drop": self.drop, "run_id": self.run_id, "publication": self.name}

    def clean(self, drop: str, raw_path: str, sha256: str, remedy: str) -> CleanedDrop:
        """Clean one drop's content; duplicates are judged against earlier drops.

        Earlier drops are those in the lake, or their new versions that wait to be committed.
        """
        files = self.lake.files
        published = self.state.ledger.get(drop, {}).get("published_sha256")
        is_new = drop == self.drop and published is None
        destination = Destination(
            f"{self.lake.uri(TRANSACTIONS)}/drop={drop}",
            f"{self.lake.uri(QUARANTINE)}/drop={drop}",
            f"{self.scratch}/suspects-{drop}",
            self.name,
            f"{self.lake.uri(DROP_LABELS)}/drop={drop}" if is_new else None,
            replace(self.clock, topic_labels_since=None),
            f"{self.lake.uri(TEXTS)}/drop={drop}" if _HAS_TEXTS else None,
        )
        waiting = [
            waiting_file(cleaned.drop, file) for cleaned in self.waiting for file in cleaned.clean
        ]
        replaced = {cleaned.drop for cleaned in self.waiting}
        stored = [file for file in self.state.clean if file.drop not in replaced]
        earlier = [file for file in (*stored, *waiting) if file.drop < drop]
        with (
            holding_still(files, raw_path, sha256, remedy),
            open_text(files, raw_path, self.scratch, self.unpacking, self.data_set) as text,
        ):
            cleaned = self._cleaned(drop, text, destination, earlier)
        self.waiting.append(cleaned)
        return cleaned

    def _cleaned(
        self, drop: str, text: RawText, destination: Destination, earlier: Sequence[StoredFile]
    ) -> CleanedDrop:
        """Clean a text, again as long as two of its keys share a surrogate."""
        while True:
            exceptions = read_exceptions(self.lake) if _HAS_TEXTS else {}
            known = text.with_exceptions(exceptions)
            cleaned = clean_text(self.spark, self.lake.files, drop, known, destination, earlier)
            if not part_shared_surrogates(self.spark, self.lake, drop, cleaned.texts):
                return cleaned
            discard(self.lake.files, cleaned)

    def hold(
        self, landed: CleanedDrop, followers: Sequence[CleanedDrop], row: dict[str, Any]
    ) -> DropOutcome:
        """Write the ledger's row, and the quarantine if no content of the drop is published."""
        for follower in followers:
            discard(self.lake.files, follower)
        before = self.state.ledger.get(self.drop, {})
        row |= {name: before.get(name) for name in _OF_PUBLISHED}
        if row["published_sha256"] is None:
            self._commit(QUARANTINE, [landed])
            require_standing(self.lake, [QUARANTINE], self.name)
            discard(self.lake.files, landed, ["clean", "labels", "texts"])
        else:
            discard(self.lake.files, landed)
            row["publication"] = before.get("publication", self.name)
        kill_point("cleaning.before_ledger")
        (written,) = write_ledger(self.lake, [row | {"status": HELD}], self.metadata)
        return DropOutcome(self.drop, HELD, written)

    def judge(self, landed: CleanedDrop, limits: Limits) -> tuple[str | None, list[CleanedDrop]]:
        """Return why the drop is held, None if it is not, and the later drops that share ids.

        Those are cleaned again. All reasons are given at once: a person accepts all of them.
        """
        own = reason_to_hold(landed, limits)
        followers: list[CleanedDrop] = []
        try:
            followers += (self._clean_again(drop) for drop in self._followers(landed))
        except DropUnreadableError as error:
            if own is None:
                raise
            return f"{own}; {error}", followers
        rows_of = {drop: row["rows_clean"] for drop, row in self.state.ledger.items()}
        reasons = [
            own,
            reason_of_taking(landed, followers, rows_of, limits),
            None if limits.hold_nothing else self._reason_of_fraud_share(landed, limits),
        ]
        return "; ".join(filter(None, reasons)) or None, followers

    def _reason_of_fraud_share(self, landed: CleanedDrop, limits: Limits) -> str | None:
        return reason_of_fraud_share(
            landed,
            published_others(self.state.ledger, self.drop),
            lambda drops: count_kinds(self.lake, drops),
            limits.fraud_factor,
        )

    def publish(
        self, landed: CleanedDrop, followers: Sequence[CleanedDrop], row: dict[str, Any]
    ) -> DropOutcome:
        """Commit the drop and the later ones that share ids with it, table by table."""
        changed = [landed, *followers]
        drops = [cleaned.drop for cleaned in changed]
        topic_labels = write_topic_labels(self.lake, changed, self.clock, self.scratch)
        if _HAS_TEXTS:  # a text and its code stay right if this run ends here
            self._commit(TEXTS, changed)
        kill_point("cleaning.before_quarantine")
        self._commit(QUARANTINE, changed)
        kill_point("cleaning.after_quarantine")
        version = self._commit(TRANSACTIONS, changed)
        kill_point("cleaning.after_transactions")
        since = self.since.get(DROP_LABELS)
        write_labels(self.spark, self.lake, changed, topic_labels, self.clock, self.metadata, since)
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
        """Return a rewritten drop's ledger row; if a replacement is held, it keeps its counts."""
        before = dict(self.state.ledger[cleaned.drop])
        return before if before["status"] == HELD else before | counts_of(cleaned)

    def _followers(self, landed: CleanedDrop) -> list[str]:
        """Return the later published drops that share ids with this drop's new or old rows."""
        from pyspark.sql import functions as F

        later = {
            drop
            for drop, row in self.state.ledger.items()
            if drop > self.drop and row["published_sha256"] is not None
        }
        this_drop = [waiting_file(self.drop, file) for file in landed.clean]
        this_drop += [file for file in self.state.clean if file.drop == self.drop]
        near = [
            [file for file in files if file.drop in later and _meets_any(file, this_drop)]
            for files in (self.state.clean, self.state.quarantine)
        ]
        rows = read_files(self.spark, near[0], CLEAN_DDL)
        copies = read_files(self.spark, near[1], _QUARANTINE_DDL)
        if copies is not None:
            copies = copies.where(F.col("reason").isin(_COPIES))
        followers: set[str] = set()
        for others in (rows, copies):
            these = None if others is None else read_files(self.spark, this_drop, CLEAN_DDL)
            if these is not None and others is not None:
                ids = these.select("transaction_id")
                shared = others.join(ids, "transaction_id", "left_semi")
                followers |= {row.drop for row in shared.select("drop").distinct().collect()}
        return sorted(followers)

    def _clean_again(self, drop: str) -> CleanedDrop:
        """Clean a later published drop again from its raw file.

        Raises:
            DropUnreadableError: the raw file no longer has the published content.
        """
        row = self.state.ledger[drop]
        remedy = (
            f"Drop {self.drop} shares ids with the published drop {drop}, which must be cleaned "
            f"again. Publish or accept {drop} as it is now, then run {self.drop} again."
        )
        return self.clean(drop, row["published_path"], row["published_sha256"], remedy)

    def _commit(self, table: TableContract, drops: Sequence[CleanedDrop]) -> int:
        files = [
            file.in_table(self.lake.uri(table), {"drop": cleaned.drop})
            for cleaned in drops
            for file in getattr(cleaned, _KINDS[table])
        ]
        names = [cleaned.drop for cleaned in drops]
        since = self.since.get(table)
        return self.lake.commit_files(table, files, "drop", names, self.metadata, since)


def _meets_any(file: StoredFile, others: Sequence[StoredFile]) -> bool:
    return any(file.meets(other.low, other.high) for other in others)


def _require_held(
    drop: str, before: Mapping[str, Any], content_sha256: str, accepted_because: str | None
) -> None:
    """Raise if an acceptance is not for the held content, unless it was already carried out."""
    if accepted_because is None:
        return
    if before.get("status") != HELD and before.get("accepted_because") != accepted_because:
        raise NotHeldError(
            f"drop {drop}: expected a drop that is held, to accept it, found it "
            f"{before.get('status', 'never cleaned')}. The table cleaning_ledger lists held drops."
        )
    if before["content_sha256"] != content_sha256:
        raise NotHeldError(
            f"drop {drop}: expected the held content with SHA-256 {before['content_sha256']} in "
            f"the raw zone, found {content_sha256}, which arrived later. Wait until it is cleaned; "
            "if it is also held, accept that content."
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
