"""Features for data whose team has not declared its own yet.

Here: `default_features`, which follow from the columns of a source alone.
Not here: features that know a data set (a team's own file, `fraud_platform.datasets`).
"""

from __future__ import annotations

from fraud_platform.contracts.data_set import Fact, SourceSpec
from fraud_platform.contracts.feature_language.declarables import Feature
from fraud_platform.contracts.feature_language.expressions import Expression, ratio
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.source_language.feature_checks import RESERVED
from fraud_platform.contracts.source_language.features import (
    count,
    day_of_week,
    distance_km,
    feature,
    first_seen,
    hour_of_day,
    hours_since_last,
    known_fraud_share,
    known_frauds,
    known_genuine_mean,
    mean,
    total,
)
from fraud_platform.contracts.source_language.references import EntityRef, TimeRef
from fraud_platform.contracts.source_language.source import Source

_SHORT, _LONG, _DELAYED = ("1h", "6h"), ("1d", "7d", "30d"), ("7d", "28d")
_PRIOR = 20
"""Labels that draw a share of frauds towards 0, so that one fraud is no certainty."""
_LONGITUDES = {"lat": ("long", "lon", "lng"), "latitude": ("longitude",)}
"""What the names of a position's two columns end with."""


def default_features(source: type[Source]) -> list[Feature]:
    """Return features of any source: columns, counts, means, ratios, first visits, known frauds.

    Args:
        source: the class of the declaration.
    """
    spec = source.spec
    booked, amount = TimeRef(spec.booked.zone), _unit("amount_cents", spec.amount.digits)
    facts = {f.name: _unit(f.stored_as, f.digits) for f in spec.facts}
    formulas: dict[str, Expression] = {
        "amount": amount,
        "hour": hour_of_day(booked),
        "weekday": day_of_week(booked),
        **{f"{n}_value" if n in RESERVED else n: term for n, term in facts.items()},
        **_history(spec, amount),
        **_distances(facts),
    }
    for fact in spec.facts:
        if fact.kind == "category":
            formulas |= _same(fact, spec, amount)
    return [feature(name, formula) for name, formula in formulas.items()]


def _unit(name: str, digits: int) -> Expression:
    return ratio(RowTerm(name), 10**digits) if digits else RowTerm(name)


def _history(spec: SourceSpec, amount: Expression) -> dict[str, Expression]:
    """Return windows of the customer up to the row, and of both entities before the label delay."""
    card = EntityRef("customer", spec.customer.name, spec.amount.digits)
    other = EntityRef("terminal", spec.counterparty.name, spec.amount.digits)
    usual = {w: mean(amount, by=card, last=w) for w in _LONG}
    genuine = known_genuine_mean(by=card, last="30d")
    return {
        "hours_since_last": hours_since_last(),
        **{f"{card.name}_count_{w}": count(by=card, last=w) for w in (*_SHORT, *_LONG)},
        **{f"{card.name}_total_{w}": total(amount, by=card, last=w) for w in (*_SHORT, "1d")},
        **{f"{card.name}_mean_{w}": usual[w] for w in _LONG},
        **{f"amount_to_{card.name}_mean_{w}": amount / usual[w] for w in _LONG},
        f"amount_to_{card.name}_known_mean": amount / genuine,
        f"new_{other.name}": first_seen(card, other),
        f"{card.name}_frauds_28d": known_frauds(by=card, last="28d"),
        f"amount_to_{other.name}_mean_28d": amount / mean(amount, by=other, last="28d"),
        **{f"{other.name}_count_{w}": count(by=other, last=w) for w in _DELAYED},
        **{
            f"{other.name}_fraud_share_{w}": known_fraud_share(by=other, last=w, prior=_PRIOR)
            for w in _DELAYED
        },
    }


def _same(fact: Fact, spec: SourceSpec, amount: Expression) -> dict[str, Expression]:
    """Return the customer's history with this row's value of a category."""
    card, column = (
        EntityRef("customer", spec.customer.name, spec.amount.digits),
        RowTerm(fact.stored_as),
    )
    usual = mean(amount, by=card, last="30d", each=column)
    return {
        f"same_{fact.name}_30d": count(by=card, last="30d", each=column),
        f"amount_to_same_{fact.name}_30d": amount / usual,
    }


def _distances(facts: dict[str, Expression]) -> dict[str, Expression]:
    """Return the kilometres between the first position and each further one."""
    positions = {}
    for name, lat in facts.items():
        for ending, others in _LONGITUDES.items():
            start = name.removesuffix(ending)
            longs = [f"{start}{other}" for other in others if f"{start}{other}" in facts]
            if name.endswith(ending) and longs:
                positions[start.strip("_") or "own"] = (lat, facts[longs[0]])
    (first, *further) = positions or [""]
    return {
        f"{first}_to_{name}_km": distance_km(*positions[first], *positions[name])
        for name in further
    }
