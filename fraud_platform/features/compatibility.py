"""Models, days and snapshots that were made before each named what it is made of.

Here: the declaration that they were made by, and whether a model's features are still declared as
it knew them.
Not here: signatures (`contracts.feature_language.declarables`), what is refused
(`scoring.engines.micro_batch`).
"""

from __future__ import annotations

from collections.abc import Iterable

from fraud_platform.contracts.active import DECLARATION, feature_signature
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.times import FIRST_TIMES

FIRST_DECLARATION = "99ba72481b0273a5b69d93ef69c0569b2d47c649b314670bb5544cea72fc9cf0"
"""Signature of all features that were declared when a model carried this, used or not."""
_FEATURES, _FLAGS, _LAST_TIMES, _LABEL_MEASURES = 70, 3, 2, 7
"""How much that was; since then features are added at the end."""


def is_declared_as(names: Iterable[str], trained_on: object) -> bool:
    """Return whether features are declared now as a model was trained on them.

    Args:
        names: the features that the model uses.
        trained_on: the signature that it carries: of these features; or, of a model of before, of
            all that was declared then, which must be declared now as it was.
    """
    if trained_on == feature_signature(names):
        return True
    return trained_on == FIRST_DECLARATION == _first().signature()


def changed_times(names: Iterable[str], trained_on: object) -> list[str]:
    """Return the times that changed, if times are all that changed since a model was trained.

    A signature does not show what it was made of. This recognizes models that were trained while
    `FIRST_TIMES` held; of others it returns an empty list.

    Args:
        names, trained_on: as of `is_declared_as`.
    """
    then = {DECLARATION.signature_of(names, FIRST_TIMES)}
    if _first().signature(FIRST_TIMES) == FIRST_DECLARATION:
        then.add(FIRST_DECLARATION)
    return DECLARATION.times.differences_from(FIRST_TIMES) if trained_on in then else []


def _first() -> Declaration:
    """Return what is declared now, as far as the first declaration went."""
    return Declaration(
        DECLARATION.features[:_FEATURES],
        DECLARATION.flags[:_FLAGS],
        DECLARATION.last_times[:_LAST_TIMES],
        DECLARATION.label_measures[:_LABEL_MEASURES],
        label_delay_hours=DECLARATION.label_delay_hours,
    )


def first_tiles_signature() -> str:
    """Return the present signature of the tiles, if they are as they were first; else another."""
    first = _first().tiles_signature()
    return first if _first().signature() == FIRST_DECLARATION else f"not {first}"


def first_layout() -> dict[str, tuple[str, ...]]:
    """Return the measures of each tile in a snapshot that does not name its own."""
    return {tile.name: tile.names for tile in _first().tiles}
