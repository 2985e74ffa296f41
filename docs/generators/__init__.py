"""What the docs take from the code: the picture of the assets, the layers, the reference pages.

Here: functions from the running definitions to Markdown and SVG. `python -m docs.generators` writes
the two that are kept in the repository, `docs/images/assets.svg` and a part of
`docs/architecture.md`; `docs/hooks.py` adds the others while the site is built.
Not here: pages that people write (`docs`), the pages of features and settings
(`fraud_platform.features.documentation`, `fraud_platform.settings.documentation`).
"""
