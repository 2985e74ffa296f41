"""What Dagster's pages show: the first sentence, tables, metadata, what needs a person.

Here: one module a kind of page.
Not here: plots and texts (`fraud_platform.reporting`), assets (`fraud_platform.defs.assets`).
"""
