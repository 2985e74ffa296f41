"""Dagster: assets, partitions, resources, automation and checks, one module a concept or stage.

Here: when assets are built and what is reported about them. The body of an asset reads, calls
named stage functions, writes and reports.
Not here: the domain itself (stage packages), clients (`adapters`).
"""
