"""Dagster: assets, partitions, resources, automation and checks, one module a concept or stage.

Here: when things move and what is reported of them. An asset's body reads, calls named stage
functions, writes and reports.
Not here: the domain itself (stage packages), clients (`adapters`).
"""
