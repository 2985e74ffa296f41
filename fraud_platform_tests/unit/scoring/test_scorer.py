"""The order of a scorer's steps, without a broker: where it goes on, and where it must not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import DataError, FencedError, TopicChangedError
from fraud_platform.scoring.log import ScoredBatch, ScoringLog, offsets_in
from fraud_platform.scoring.plans import Plan
from fraud_platform.scoring.publishing import Publication, Topics, last_published
from fraud_platform.scoring.scorer import Scorer
from fraud_platform.stream.batching import Ranges
from fraud_platform.tables.scoring import DEAD_LETTERS

TOPICS = Topics("transactions", "predictions", "dlq", "labels", "T1")
MODEL: Any = None


@dataclass
class Broker:
    """What a broker keeps: the topic's id, and the group's offsets of the last transaction."""

    id_now: str = "T1"
    is_fenced: bool = False
    group: dict[tuple[str, int], int] = field(default_factory=dict)
    note: str = "transactions"

    def topic_id(self, topic: str) -> str:
        return self.id_now

    def group_offsets(self, group: str, topic: str, note: str | None = None) -> dict[int, int]:
        if note not in (None, self.note):
            return {}
        return {p: offset for (name, p), offset in self.group.items() if name == topic}

    def fence(self) -> None:
        """No other scorer is there."""

    def transaction(
        self,
        records: Iterable[Any],
        group: str,
        offsets: Mapping[tuple[str, int], int],
        note: str = "",
    ) -> None:
        if self.is_fenced:
            raise FencedError("another scorer took the lease")
        assert list(records) == []
        self.group |= offsets
        self.note = note


@dataclass
class Engine:
    """Scores nothing, and lets something happen while it does."""

    meanwhile: Callable[[], None] = lambda: None
    name: str = "none"
    read: list[Ranges] = field(default_factory=list)

    def score(self, ranges: Ranges, behind: Ranges, number: int, model: Any) -> ScoredBatch:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        self.read.append(ranges)
        meanwhile()
        return batch_of(number, {p: end for p, (_, end) in ranges.items()})

    def catch_up(self, log: ScoringLog) -> None: ...

    def warm_up(self, starts: Any, model: Any) -> None: ...

    def forget(self) -> None: ...

    def committed(self, number: int) -> None: ...


def batch_of(number: int, ends: dict[int, int]) -> ScoredBatch:
    return ScoredBatch(number, [], DEAD_LETTERS.arrow_schema.empty_table(), {}, ends, None)


def commit(lake: Lake, ends: dict[int, int], topic_id: str = "T1") -> None:
    """Commit the next micro-batch, as another scorer."""
    log = ScoringLog(lake)
    metadata = {"topic_id": topic_id, "end_offsets": ends, "holder": "another"}
    assert log.commit(batch_of(log.number + 1, ends), metadata)


def scorer_on(lake: Lake, broker: Broker, engine: Engine, size: int = 100) -> Scorer:
    publication = Publication(ScoringLog(lake), broker, broker, TOPICS)
    scorer = Scorer(lake, engine, publication, size, "test")
    scorer.start()
    return scorer


def plan_of(topic_id: str, ranges: Ranges) -> Plan:
    return Plan(9, "transactions", topic_id, ranges, 1, "none", datetime.now(UTC), "")


def committed(lake: Lake) -> list[dict[int, int]]:
    """Return the end offsets of every micro-batch, in their order."""
    return [offsets_in(metadata) for metadata in ScoringLog(lake).commits_above(0)][::-1]


def test_a_plan_of_a_topic_made_anew_is_given_up(lake: Lake) -> None:
    commit(lake, {0: 50})
    scorer = scorer_on(lake, Broker(), Engine())
    with pytest.raises(DataError, match=r"plan 9: expected topic transactions to be T0, found T1"):
        scorer.carry_out(plan_of("T0", {0: (50, 100)}), MODEL, {})
    assert committed(lake) == [{0: 50}]


def test_a_plan_behind_an_accepted_gap_that_lowered_offsets_leaves_nothing_out(lake: Lake) -> None:
    commit(lake, {0: 100})
    commit(lake, {0: 80})
    scorer = scorer_on(lake, Broker(), Engine())
    with pytest.raises(DataError, match="partition 0: 100, not 80"):
        scorer.carry_out(plan_of("T1", {0: (100, 150)}), MODEL, {})
    scorer.carry_out(plan_of("T1", {0: (80, 90), 1: (7, 9)}), MODEL, {})
    assert committed(lake)[2:] == [{0: 90, 1: 9}]


def test_what_was_read_while_the_topic_was_made_anew_is_not_committed(lake: Lake) -> None:
    commit(lake, {0: 50})
    broker = Broker()
    engine = Engine(lambda: setattr(broker, "id_now", "T2"))
    with pytest.raises(TopicChangedError, match="expected the topic T1, found T2"):
        scorer_on(lake, broker, engine).score({0: (50, 100)}, MODEL, {})
    assert committed(lake) == [{0: 50}]


def test_a_topic_whose_predecessor_was_scored_is_not_read_from_where_that_ended(lake: Lake) -> None:
    commit(lake, {0: 50}, topic_id="T0")
    with pytest.raises(TopicChangedError, match="expected the topic T0, found T1"):
        scorer_on(lake, Broker(), Engine()).score({0: (50, 100)}, MODEL, {})


def test_the_lease_holder_goes_on_behind_a_micro_batch_that_a_zombie_committed(lake: Lake) -> None:
    broker, engine = Broker(), Engine(lambda: commit(lake, {0: 3, 1: 5}))
    scorer = scorer_on(lake, broker, engine, size=4)
    scorer.score({0: (0, 5), 1: (0, 5)}, MODEL, {})
    assert engine.read[1:] == [{0: (3, 5)}]
    assert committed(lake) == [{0: 3, 1: 5}, {0: 5, 1: 5}]
    assert broker.group == {("labels", 0): 2, ("transactions", 0): 5, ("transactions", 1): 5}
    assert scorer.progress.micro_batches == 1


def test_a_scorer_without_the_lease_stops_where_its_number_is_taken(lake: Lake) -> None:
    broker = Broker()

    def take_over() -> None:
        commit(lake, {0: 5})
        broker.is_fenced, broker.group = True, {("labels", 0): 1}

    with pytest.raises(FencedError):
        scorer_on(lake, broker, Engine(take_over)).score({0: (0, 9)}, MODEL, {})
    assert committed(lake) == [{0: 5}]


@pytest.mark.parametrize(
    ("group", "published"),
    [
        ({("labels", 0): 1}, 1),
        ({("labels", 0): 2}, 2),
        # of a lake that was given up
        ({("labels", 0): 700}, 2),
        # the labels topic was recreated
        ({("transactions", 0): 8}, 2),
        # an accepted gap had lowered the offsets, or the last micro-batch was never published
        ({("transactions", 0): 9}, 1),
        ({("transactions", 0): 5}, 1),
        # the group was idle for too long
        ({}, 1),
    ],
)
def test_what_is_published_is_told_by_the_number_that_the_group_keeps(
    lake: Lake, group: dict[tuple[str, int], int], published: int
) -> None:
    commit(lake, {0: 5})
    commit(lake, {0: 8})
    assert last_published(ScoringLog(lake), Broker(group=group), TOPICS) == published


def test_the_number_of_another_platform_with_the_same_labels_says_nothing(lake: Lake) -> None:
    commit(lake, {0: 5})
    broker = Broker(group={("labels", 0): 700}, note="transactions of another")
    assert last_published(ScoringLog(lake), broker, TOPICS) == 0
    scorer_on(lake, broker, Engine())
    assert broker.note == "transactions"


def test_a_start_sets_the_number_that_another_lake_left(lake: Lake) -> None:
    broker = Broker(group={("labels", 0): 700})
    scorer_on(lake, broker, Engine())
    assert broker.group == {("labels", 0): 0}


def test_what_a_topic_made_anew_has_not_is_no_offset_of_the_group(lake: Lake) -> None:
    commit(lake, {0: 5}, topic_id="T0")
    broker = Broker()
    scorer_on(lake, broker, Engine())
    assert broker.group == {("labels", 0): 1}
