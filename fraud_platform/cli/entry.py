"""Where a command starts: it reads the settings, once.

Here: the settings of one command, with the files that it writes kept private.
Not here: the commands (`fraud_platform.cli.commands`, `cli.live`, `cli.simulate`), how settings
are read (`fraud_platform.settings.loading`).
"""

from __future__ import annotations

from fraud_platform.settings import Settings, load_settings


def enter() -> Settings:
    """Return the settings from the environment; a command calls this once and hands them down.

    Raises:
        SettingsError: lists every problem, each with its variable.
    """
    from fraud_platform.adapters.storage.private import keep_private
    from fraud_platform.operations.choices import CHOICES

    settings = load_settings(CHOICES)
    keep_private(settings)
    return settings
