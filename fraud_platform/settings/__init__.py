"""All settings of the platform, as one typed tree read from `FRAUD_*` environment variables.

Here: names, types, defaults and the rules between settings, all validated at start; one module for
each group.
Not here: constants of the data contract (`fraud_platform.contracts`), which are not configurable.
"""

from fraud_platform.settings.base import PREFIX
from fraud_platform.settings.loading import OTHER_VARIABLES, load_settings
from fraud_platform.settings.secrets import without_password
from fraud_platform.settings.tree import Settings

__all__ = ["OTHER_VARIABLES", "PREFIX", "Settings", "load_settings", "without_password"]
