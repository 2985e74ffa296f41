"""The tables whose columns follow from the declared features, and the catalog of all tables.

Here: columns, types, meaning and keys of the feature, scoring and training tables; writing a file.
Not here: tables with fixed columns (`fraud_platform.contracts.tables`), reading and committing
(`fraud_platform.adapters.tables`).
"""
