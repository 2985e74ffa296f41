"""What a declaration would do, for people, before anything is written.

Here: `plan_words`: the source, a sample's rows by reason, columns, features, and what is new,
changed or gone against another declaration.
Not here: reading the sample (`operations.data_set_sample`), checks of a declaration
(`contracts.source_language`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fraud_platform.cleaning.holding import Limits, exceeds
from fraud_platform.contracts.data_set import DataSet, Fact
from fraud_platform.contracts.reason_words import words_of_reasons
from fraud_platform.contracts.time import TILE_SECONDS, numbered_day
from fraud_platform.operations.data_set_sample import Sample
from fraud_platform.operations.own_home import meaning_of
from fraud_platform.rows.canonical import CleanRows

_BYTES_OF_KEY, _BYTES_OF_MEASURE = 12, 3
"""Roughly, in a compressed Parquet file: measured on tiles of the Handbook."""


def plan_words(
    data_set: DataSet, before: DataSet | None, sample: Sample | None, limits: Limits
) -> Iterator[str]:
    """Yield the lines of a plan.

    Args:
        data_set: what the file declares.
        before: the data set that is used now; None if there is no other.
        sample: None without one.
        limits: above which a drop is held.
    """
    yield from _source_words(data_set)
    if before is not None:
        yield from changes(data_set, before)
    if sample is not None:
        yield from _row_words(data_set, sample)
        yield from _held_words(sample, limits)
        yield from _column_words(data_set, sample)
        yield from _feature_words(data_set, sample)


def _source_words(data_set: DataSet) -> Iterator[str]:
    source = data_set.source
    yield f"Data set {data_set.name}"
    yield (
        f"  drops {source.drops.name} ({source.drops.kind}), keys {source.customer.column} and "
        f"{source.counterparty.column}, amounts in {source.amount.currency}, labels after "
        f"{source.label.delay_days} days, kinds of fraud: {', '.join(source.label.kinds)}"
    )
    yield (
        f"  {len(source.facts)} numbers and categories, {len(data_set.declaration.names)} "
        f"features, of which models use {len(data_set.chosen)}"
    )
    unread = sorted(set(source.fact_names) - data_set.declaration.columns_read)
    if unread:
        names = ", ".join(fact.name for fact in source.facts if fact.stored_as in unread)
        yield f"  no feature reads {names}: they are stored with each row for nothing"


def changes(data_set: DataSet, before: DataSet) -> Iterator[str]:
    """Yield what is new, changed or gone against another declaration, and what that asks for."""
    yield f"Against {before.name}"
    now = {f.name: str(f.formula) for f in data_set.declaration.features}
    then = {f.name: str(f.formula) for f in before.declaration.features}
    new = [name for name in now if name not in then]
    gone = [name for name in then if name not in now]
    changed = [name for name in now if name in then and now[name] != then[name]]
    mine, theirs = meaning_of(data_set.source), meaning_of(before.source)
    if differing := [name for name in mine if mine[name] != theirs[name]]:
        yield f"  rows mean something else ({', '.join(differing)}): use another FRAUD_HOME"
    delays = [one.source.label.delay_days for one in (before, data_set)]
    if delays[0] != delays[1]:
        yield (
            f"  labels count after {delays[1]} days, not {delays[0]}: no feature keeps its "
            "meaning, and apply refuses it; keep the delay, or use another FRAUD_HOME"
        )
    for words, names in (("new", new), ("changed", changed), ("gone", gone)):
        yield f"  features {words}: {_listed(names)}"
    if changed:
        yield (
            "  a name never changes its meaning while a model uses it: give each changed feature "
            "another name"
        )
    used = [name for name in gone if name in before.chosen]
    if used:
        yield f"  models use {_listed(used)}: keep them declared until no model does"
    tiles = data_set.declaration.tiles_signature() != before.declaration.tiles_signature()
    words = "change: days are built again" if tiles else "stay as they are"
    yield f"  tiles {words}"


def _row_words(data_set: DataSet, sample: Sample) -> Iterator[str]:
    clean = sample.clean
    kept = 0 if clean is None else len(clean)
    cost = sample.read_seconds / max(sample.rows, 1) * 1e6
    yield f"Sample: {sample.rows:,} rows, {kept:,} clean, read in {cost:.1f} us CPU a row"
    for reason, words in words_of_reasons(data_set).items():
        if count := sample.reasons[reason]:
            lines = ", ".join(map(str, sample.lines[reason]))
            more = "" if count <= len(sample.lines[reason]) else ", .."
            share = count / sample.rows
            yield (f"  {reason}: {count:,} rows ({share:.2%}), lines {lines}{more}: {words}")
    yield from (f"  repaired, {name}: {count:,}" for name, count in sample.repairs.items() if count)


def _held_words(sample: Sample, limits: Limits) -> Iterator[str]:
    lost = sample.rows - (0 if sample.clean is None else len(sample.clean))
    if not limits.hold_nothing and exceeds(lost, sample.rows, limits.quarantined):
        yield (
            f"  a drop like this would be held: {lost / sample.rows:.2%} of its rows are in "
            f"quarantine, at most {limits.quarantined:.2%} may be (FRAUD_MAX_QUARANTINED_SHARE); "
            "compare the reasons above with the declaration"
        )


def _column_words(data_set: DataSet, sample: Sample) -> Iterator[str]:
    source, rows = data_set.source, sample.clean
    unused = [name for name in sample.names if name not in source.columns]
    if unused:
        yield f"  columns that are not declared: {', '.join(unused)}"
    if rows is None or not len(rows):
        yield "  no row is clean: compare the reasons above with the declaration"
        return
    first, last = (numbered_day(int(day)) for day in (rows.days.min(), rows.days.max()))
    days = int(rows.days.max() - rows.days.min()) + 1
    yield f"  days {first} to {last}, {len(rows) / days:,.0f} rows a day"
    digits = source.amount.digits
    scale = 10**digits
    low, middle, high = (float(v) / scale for v in np.quantile(rows.amount_cents, (0, 0.5, 1)))
    yield (
        f"  amounts {low:,.{digits}f} to {high:,.{digits}f} {source.amount.currency}, half below "
        f"{middle:,.{digits}f}"
    )
    frauds = int(np.count_nonzero(rows.scenario))
    kinds = ", ".join(
        f"{name} {int(np.count_nonzero(rows.scenario == number)):,}"
        for number, name in enumerate(source.label.kinds, 1)
    )
    yield f"  {frauds:,} frauds ({frauds / len(rows):.2%}): {kinds}"
    yield (
        f"  {len(np.unique(rows.customer_id)):,} {source.customer.name}, "
        f"{len(np.unique(rows.terminal_id)):,} {source.counterparty.name}"
    )
    yield from (_fact_words(fact, rows) for fact in source.facts)


def _fact_words(fact: Fact, rows: CleanRows) -> str:
    values = rows.facts[fact.stored_as]
    if fact.kind == "number":
        low, high = (int(v) / 10**fact.digits for v in (values.min(), values.max()))
        return f"  {fact.name}: {low:,g} to {high:,g}"
    _, counts = np.unique(values, return_counts=True)
    words = f"  {fact.name}: {len(counts):,} values"
    if len(counts) > fact.keep:
        rest = np.sort(counts)[: -fact.keep].sum() / len(values)
        words += f", more than keep={fact.keep}: models take the rarest, {rest:.1%} of rows, as one"
    return words


def _feature_words(data_set: DataSet, sample: Sample) -> Iterator[str]:
    rows = sample.clean
    if rows is None or not len(rows):
        return
    cost = sample.feature_seconds / len(rows) * 1e6
    yield f"Features: {cost:.1f} us CPU a row"
    constant = [n for n, v in sample.features.items() if bool((v == v[0]).all())]
    if constant:
        yield f"  the same for every row of the sample: {_listed(constant)}"
    days = int(rows.days.max() - rows.days.min()) + 1
    hours = rows.seconds // TILE_SECONDS
    entities = {
        data_set.declaration.customer_tile: (rows.customer_id, rows.terminal_id, hours),
        data_set.declaration.terminal_tile: (rows.terminal_id, hours),
    }
    for tile, keys in entities.items():
        count = len(np.unique(np.stack(keys), axis=1).T) / days
        size = count * (_BYTES_OF_KEY + _BYTES_OF_MEASURE * len(tile.measures))
        yield f"  {tile.name}: about {count:,.0f} a day, {size / 1e6:,.1f} MB"
    yield f"  a day of features: about {sample.feature_seconds / days:.1f} s CPU"


def _listed(names: Sequence[str], most: int = 12) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
