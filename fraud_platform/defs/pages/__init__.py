"""The content of Dagster's pages: first sentence, tables, metadata, needs.

Here: one module for each kind of page.
Not here: plots and texts (`fraud_platform.reporting`), assets (`fraud_platform.defs.assets`).
"""
