"""Card precision at k for many weight vectors at once.

Here: ranking each day's cards once, and the precision of the first k for each weight vector.
Not here: the plain definition (`comparison.plain_metrics.card_precision_at_k`), which this equals
for customer weights.

A weight is a number of cards: a customer with weight 2 fills two of the k places. Only the head of
a day's ranking is read, so a day costs about k cards for each weight vector.
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
        cluster: the cluster whose weight the card has, shape (c,).
        is_compromised: whether any of the card's transactions on that day is fraud, shape (c,).
        slot: index of the card among all cards that are compromised on any day, else -1, shape
            (c,).
    """

    cluster: Ints
    is_compromised: npt.NDArray[np.bool_]
    slot: Ints

    def head(self, size: int) -> RankedDay:
        """Return the first `size` cards of the ranking."""
        return RankedDay(self.cluster[:size], self.is_compromised[:size], self.slot[:size])


@dataclass(frozen=True)
class RankedCards:
    """A model's ranked cards of every day.

    Attributes:
        days: the days in order.
        k: number of cards reviewed a day.
        slots: number of cards that are compromised on any day.
    """

    days: tuple[RankedDay, ...]
    k: int
    slots: int

    def precision(self, weights: Floats) -> Floats:
        """Return card precision at k for each weight vector.

        Args:
            weights: number of cards that each cluster represents, shape (n_clusters, r).

        Returns:
            Mean over days of the number of found compromised cards divided by k, shape (r,).
        """
        taken = np.zeros((self.slots, weights.shape[1]))
        found = sum(self._found(day, weights, taken) for day in self.days)
        return np.asarray(found / (self.k * len(self.days)), dtype=np.float64)

    def _found(self, day: RankedDay, weights: Floats, taken: Floats) -> Floats:
        """Return the number of compromised cards found on a day, shape (r,).

        Found cards are added to `taken`, because they leave the following days.
        """
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


class CardDays:
    """The cards of each day, computed once for all models that scored the rows.

    A compromised card has the weight of the cluster of its first fraud on the day, so that two
    models which find it through different transactions find the same weight. A genuine card has
    the weight of the cluster of its most suspicious transaction, which put it on the list.

    Args:
        rows: the comparison's rows, ordered by transaction_id.
        clusters: each row's cluster, shape (n,).
        cards_are_clusters: if True, found cards leave the following days within each weight
            vector. If False, the cards that are found in the unweighted rows leave in all weight
            vectors, because weights of other clusters do not define how many cards a customer has.
    """

    def __init__(self, rows: ComparisonRows, clusters: Ints, cards_are_clusters: bool) -> None:
        self._clusters, self._carry = clusters, cards_are_clusters
        _, day = np.unique(rows.day, return_inverse=True)
        customers, card = np.unique(rows.customer_id, return_inverse=True)
        card_day = day * len(customers) + card
        self._order = np.argsort(card_day, kind="stable")
        ordered = card_day[self._order]
        self._starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self._group = np.cumsum(np.diff(ordered, prepend=ordered[0]) != 0)
        self._day, self._card = np.divmod(ordered[self._starts], len(customers))
        fraud = rows.is_fraud[self._order].astype(bool)
        self._compromised = np.logical_or.reduceat(fraud, self._starts)
        frauds = np.flatnonzero(fraud)
        self._first_fraud = self._order[frauds[np.diff(self._group[frauds], prepend=-1) > 0]]
        self._slot = np.full(len(customers), -1, dtype=np.int64)
        ever = np.unique(self._card[self._compromised])
        self._slots = len(ever) if cards_are_clusters else 0
        if cards_are_clusters:
            self._slot[ever] = np.arange(len(ever))

    def rank(self, probability: Floats, k: int) -> RankedCards:
        """Return each day's cards ranked by their most suspicious transaction.

        Args:
            probability: a model's scores, shape (n,). Ties between cards are broken by the smaller
                customer_id, ties within a card by the smaller transaction_id.
            k: number of cards reviewed a day.
        """
        scores = probability[self._order]
        highest = np.maximum.reduceat(scores, self._starts)
        at_highest = np.flatnonzero(scores == highest[self._group])
        is_first = np.diff(self._group[at_highest], prepend=-1) > 0
        carrier = self._order[at_highest[is_first]]
        carrier[self._compromised] = self._first_fraud
        cluster = self._clusters[carrier]
        ranked = np.lexsort((self._card, -highest, self._day))
        left = np.zeros(len(self._slot), dtype=bool)
        days = []
        for of_day in np.split(ranked, np.cumsum(np.bincount(self._day))[:-1]):
            listed = of_day if self._carry else of_day[~left[self._card[of_day]]]
            hit = self._compromised[listed]
            left[self._card[listed[:k][hit[:k]]]] = True
            days.append(RankedDay(cluster[listed], hit, self._slot[self._card[listed]]))
        return RankedCards(tuple(days), k, self._slots)
