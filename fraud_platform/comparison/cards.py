"""Card precision at k over many weight vectors at once.

Here: each day's cards ranked once, and the share found among the first k for each weight vector.
Not here: the plain definition (`fraud_platform.comparison.metrics.card_precision_at_k`), which
this equals for customer weights.

A weight is a number of cards: a customer of weight 2 fills two of the k places. Only the head of a
day's ranking is ever looked at, so a day costs about k cards for each weight vector, not all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.inputs import ComparisonRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RankedDay:
    """One day's cards, the most suspicious first.

    Attributes:
        cluster: whose weight each card has, shape (c,).
        is_compromised: whether any of the card's transactions that day is fraud, shape (c,).
        slot: position of the card among the cards that are ever compromised, -1 for the others,
            shape (c,).
    """

    cluster: Ints
    is_compromised: npt.NDArray[np.bool_]
    slot: Ints

    def head(self, size: int) -> RankedDay:
        """Return the first cards of the ranking."""
        return RankedDay(self.cluster[:size], self.is_compromised[:size], self.slot[:size])


@dataclass(frozen=True)
class RankedCards:
    """A model's ranked cards of every day.

    Attributes:
        days: in rising order.
        k: cards a day that are looked at.
        slots: how many cards are ever compromised.
    """

    days: tuple[RankedDay, ...]
    k: int
    slots: int

    def precision(self, weights: Floats) -> Floats:
        """Return card precision at k for each weight vector.

        Args:
            weights: how many cards each cluster stands for, shape (n_clusters, r).

        Returns:
            Mean over days of the found cards divided by k, shape (r,).
        """
        taken = np.zeros((self.slots, weights.shape[1]))
        found = sum(self._found(day, weights, taken) for day in self.days)
        return np.asarray(found / (self.k * len(self.days)), dtype=np.float64)

    def _found(self, day: RankedDay, weights: Floats, taken: Floats) -> Floats:
        """Return the cards found on a day, shape (r,), and note in `taken` that they leave."""
        size = 2 * self.k
        while True:
            head = day.head(size)
            held = weights[head.cluster]
            may_have_left = head.slot >= 0
            held[may_have_left] -= taken[head.slot[may_have_left]]
            before = np.cumsum(held, axis=0)
            if size >= len(day.cluster) or before[-1].min() >= self.k:
                break
            size *= 2
        compromised = np.flatnonzero(head.is_compromised)
        mine = held[compromised]
        places_left = self.k - (before[compromised] - mine)
        found = np.clip(places_left, 0, mine)
        slots = head.slot[compromised]
        leaves = slots >= 0
        taken[slots[leaves]] += found[leaves]
        return found.sum(axis=0)


def rank_cards(
    rows: ComparisonRows,
    probability: Floats,
    clusters: Ints,
    k: int,
    cards_are_clusters: bool,
) -> RankedCards:
    """Return each day's cards ranked by their most suspicious transaction.

    Args:
        rows: the comparison's rows.
        probability: the model's scores, shape (n,); ties go to the smaller customer_id, and within
            a card to the smaller transaction_id.
        clusters: each row's cluster, shape (n,).
        k: cards a day that are looked at.
        cards_are_clusters: True makes found cards leave within each weight vector; False takes
            away, for every weight vector alike, the cards that the unweighted rows find, because
            weights of other clusters say nothing about how many cards a customer has.
    """
    _, day = np.unique(rows.day, return_inverse=True)
    customers, card = np.unique(rows.customer_id, return_inverse=True)
    order = np.lexsort((rows.transaction_id, -probability, card, day))
    starts = np.flatnonzero(np.diff(day[order], prepend=-1) | np.diff(card[order], prepend=-1))
    top = order[starts]
    compromised = np.logical_or.reduceat(rows.is_fraud[order].astype(bool), starts)
    slot_of_card = np.full(len(customers), -1, dtype=np.int64)
    ever = np.unique(card[top[compromised]])
    slot_of_card[ever] = np.arange(len(ever))
    days = []
    left = np.zeros(len(customers), dtype=bool)
    for today in range(int(day.max()) + 1):
        cards = np.flatnonzero(day[top] == today)
        if not cards_are_clusters:
            cards = cards[~left[card[top[cards]]]]
        at = top[cards]
        ranked = np.lexsort((card[at], -probability[at]))
        at, hit = at[ranked], compromised[cards][ranked]
        left[card[at[:k]][hit[:k]]] = True
        slot = slot_of_card[card[at]] if cards_are_clusters else np.full(len(at), -1)
        days.append(RankedDay(clusters[at].astype(np.int64), hit, slot.astype(np.int64)))
    return RankedCards(tuple(days), k, len(ever) if cards_are_clusters else 0)
