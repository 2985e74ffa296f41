"""What the declarations of the packages allow as values of settings.

Here: `CHOICES`; an entry point checks the settings that it reads against them.
Not here: the declarations (`fraud_platform.training.estimators`), the check
(`fraud_platform.settings.choices`).
"""

from __future__ import annotations

from fraud_platform.settings.choices import Choices
from fraud_platform.training.estimators import ESTIMATORS

CHOICES = Choices(estimators=tuple(declared.name for declared in ESTIMATORS))
