"""Java: finding it, and the jars that are not part of a Python package.

Here: finding Java, class archives, fetching jars with pinned hashes, and the lists of jars.
Not here: the programs that use them (`adapters.spark`, `adapters.kafka`).
"""
