"""The tables whose columns follow from the declared features, and the catalog of all tables.

Here: columns, types, meaning and keys of the feature, scoring and training tables.
Not here: tables with fixed columns (`fraud_platform.contracts.tables`), reading and writing
(`fraud_platform.adapters.tables`).
"""
