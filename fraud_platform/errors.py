"""Every error that the platform raises on purpose.

Here: one small hierarchy, divided by what should happen next. A `DataError` is about what came in
and is never retried; a `SettingsError` is about the configuration and stops at start; an
`Outage` is about a system that is away and is retried with a bound and back-off.
Not here: translating a client's own exceptions (that happens in `adapters`, at that edge).

A message says what was expected, what was found, and what to do about it.
"""

from __future__ import annotations

_MOST_CHARACTERS = 400


class FraudPlatformError(Exception):
    """Base of every error that the platform raises on purpose."""


class SettingsError(FraudPlatformError):
    """The configuration cannot work; the message lists every problem at once."""


class DeclarationError(SettingsError):
    """A data set's declaration is not valid; the message lists every problem with its place."""


class DropTooLargeError(SettingsError):
    """A packed drop has more text than the settings allow; if you trust it, raise the limit."""


class DataError(FraudPlatformError):
    """What came in, or what is stored, cannot be used as it is. Never retried."""


class DropNameError(DataError):
    """A file name is not as the data set declares it, or a drop has two such files."""


class DropHeaderError(DataError):
    """A drop's header differs from the contract."""


class DropUnreadableError(DataError):
    """A drop is empty, truncated, or not the text that its name promises."""


class DropChangedError(DataError):
    """A drop vanished or changed while it was copied or cleaned; its sender is not done."""


class NotHeldError(DataError):
    """A person accepted a drop that is not held, or not the content that is."""


class NothingToDoError(DataError):
    """A person asked for something that has nothing to act on; nothing was started."""


class SchemaMismatchError(DataError):
    """A table's columns differ from its contract; the message lists every difference."""


class RepeatedRowsError(DataError):
    """A table holds rows more than once that were committed once."""


class TableFeatureError(DataError):
    """A table has a Delta feature that the platform does not understand."""


class VersionGoneError(DataError):
    """A table should go back to a version of which files are gone."""


class ConservationError(DataError):
    """Rows in and rows out do not add up; nothing of that drop is published."""


class NotEnoughDataError(DataError):
    """A knowledge date has too little data before it to train or to compare."""


class PromotionError(DataError):
    """A promotion, approval or rollback that the history does not allow."""


class DecisionConflictError(PromotionError):
    """Another decision was written after this one was made; nothing was written."""


class ModelDamagedError(DataError):
    """A registered model's files are missing, or are not the bytes that were registered."""


class UnknownModelError(DataError):
    """The registry has no model version of that number."""


class RegistryLostError(DataError):
    """The registry is empty or deleted, but the promotion history names models."""


class ChampionMismatchError(DataError):
    """The registry's alias or versions are not what the promotion history says."""


class OffsetGapError(DataError):
    """Messages between two offsets are no longer, or not yet, what the broker holds."""


class TopicChangedError(DataError):
    """A topic is missing, was recreated, or has other partitions than before."""


class FencedError(FraudPlatformError):
    """Another scorer took the lease; this one must no longer write."""


class Outage(FraudPlatformError):  # noqa: N818 - an outage is a state of another system
    """A system that the platform needs does not answer. Retried, with a bound and back-off."""


class AccessError(FraudPlatformError):
    """A system answers and refuses: a wrong secret, a missing right, a certificate not trusted.

    An automatic retry does not help; after the cause is fixed, the next run continues.
    """


class DeliveryError(Outage):
    """The broker did not acknowledge every message that was sent."""


class ClusterError(Outage):
    """A cluster made for a run did not become ready, was lost, or could not be deleted."""


class ServiceError(FraudPlatformError):
    """A service of this machine cannot be started, or stopped."""


def first_line(text: str) -> str:
    """Return the first line of a text, shortened, without unprintable characters."""
    line = next(iter(text.strip().splitlines()), "")
    return "".join(c if c.isprintable() else "?" for c in line)[:_MOST_CHARACTERS]
