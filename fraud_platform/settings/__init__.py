"""Everything an operator may set, as one typed tree read from `FRAUD_*` variables.

Here: names, types, defaults, and the rules between settings, checked together at start; one module
a group.
Not here: facts of the data contract (`fraud_platform.contracts`), which nobody may set.
"""

from fraud_platform.settings.base import PREFIX
from fraud_platform.settings.loading import OTHER_VARIABLES, load_settings
from fraud_platform.settings.secrets import without_password
from fraud_platform.settings.tree import Settings

__all__ = ["OTHER_VARIABLES", "PREFIX", "Settings", "load_settings", "without_password"]
