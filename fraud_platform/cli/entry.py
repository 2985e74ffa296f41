"""Where a command starts: it reads the settings, once.

Here: the settings of one command, with the files that it writes kept private.
Not here: the commands (`fraud_platform.cli.commands`, `cli.live`, `cli.simulate`), how settings
are read (`fraud_platform.settings.loading`).
"""

from __future__ import annotations

from fraud_platform.settings import Settings, load_settings


def enter(*, is_own_home: bool = True) -> Settings:
    """Return the settings from the environment; a command calls this once and hands them down.

    Args:
        is_own_home: whether the home must hold rows of this process's data set.

    Raises:
        SettingsError: lists every problem, each with its variable; or the home holds rows of
            another data set.
    """
    from fraud_platform.adapters.storage.private import keep_private
    from fraud_platform.operations.choices import CHOICES
    from fraud_platform.operations.own_home import require_own_data_set

    settings = load_settings(CHOICES)
    keep_private(settings)
    if is_own_home:
        require_own_data_set(settings)
    return settings
