"""Ways in which the registry parts from the promotion history.

Here: each as a function that damages a world, and `CASES`: how the champion stands after it, the
error that readers get, and the version that the champion has once it is found again.
Not here: the world (`registry`).
"""

from __future__ import annotations

import secrets

from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.errors import ChampionMismatchError, RegistryLostError
from fraud_platform.operations.models.champion import Standing
from fraud_platform_tests.testing.worlds.registry import RegistryWorld


def remove_database(world: RegistryWorld) -> None:
    """Take the database away; under a new URL, since MLflow keeps a removed file open."""
    world.use_database(world.database.with_name(f"gone-{secrets.token_hex(4)}.db"))


def alias_moved(world: RegistryWorld) -> None:
    """Let the alias name an earlier champion."""
    world.client.set_registered_model_alias("fraud", CHAMPION, "1")


def alias_moved_to_untested(world: RegistryWorld) -> None:
    """Let the alias name a model without a report."""
    world.train(2)
    world.client.set_registered_model_alias("fraud", CHAMPION, "3")


def alias_deleted(world: RegistryWorld) -> None:
    """Delete the alias."""
    world.client.delete_registered_model_alias("fraud", CHAMPION)


def version_deleted(world: RegistryWorld) -> None:
    """Delete the champion's version."""
    world.client.delete_model_version("fraud", "2")


def model_deleted(world: RegistryWorld) -> None:
    """Delete the registered model."""
    world.client.delete_registered_model("fraud")


def number_given_again(world: RegistryWorld) -> None:
    """Recreate the registered model, so that others get the numbers that the history names."""
    world.client.delete_registered_model("fraud")
    world.train(4, "other")
    world.train(5, "untested")
    world.client.set_registered_model_alias("fraud", CHAMPION, "2")


CASES = [
    (alias_moved, Standing.MOVED, ChampionMismatchError, 2),
    (alias_moved_to_untested, Standing.MOVED, ChampionMismatchError, 2),
    (alias_deleted, Standing.DELETED, ChampionMismatchError, 2),
    (version_deleted, Standing.VERSION_GONE, ChampionMismatchError, 3),
    (model_deleted, Standing.REGISTRY_LOST, RegistryLostError, 3),
    (remove_database, Standing.REGISTRY_LOST, RegistryLostError, 3),
    (number_given_again, Standing.OTHER_MODEL, ChampionMismatchError, 3),
]
