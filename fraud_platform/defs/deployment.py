"""The settings as Dagster knows them: read once when the code location loads, and a resource.

Here: the one value for what Dagster needs before a resource exists (partitions, the state that a
schedule starts in, the resources themselves), and the type of the parameter `settings`.
Not here: the settings (`fraud_platform.settings`), the other resources
(`fraud_platform.defs.resources`).
"""

import dagster as dg

from fraud_platform.operations.choices import CHOICES
from fraud_platform.settings import Settings, load_settings

DEPLOYMENT = load_settings(CHOICES)

SettingsResource = dg.ResourceParam[Settings]
"""The parameter `settings` of an asset, a sensor, a schedule, a check or an op."""
