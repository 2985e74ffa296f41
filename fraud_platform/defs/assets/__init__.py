"""The assets, one module for each group.

Here: each asset reads, calls named functions, writes and reports.
Not here: what an asset computes (the stages), the use cases it calls (`fraud_platform.operations`).
"""
