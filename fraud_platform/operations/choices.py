"""What the declarations of the packages allow as values of settings.

Here: `CHOICES`; an entry point checks the settings that it reads against them.
Not here: the declarations (`fraud_platform.training.estimators`,
`fraud_platform.adapters.storage.schemes`), the check (`fraud_platform.settings.choices`).
"""

from __future__ import annotations

from fraud_platform.adapters.storage.schemes import SCHEMES
from fraud_platform.settings.choices import Choices, UrlForm
from fraud_platform.training.estimators import ESTIMATORS

CHOICES = Choices(
    estimators=tuple(declared.name for declared in ESTIMATORS),
    schemes=tuple(UrlForm(scheme.name, scheme.form, scheme.misspelt) for scheme in SCHEMES),
)
