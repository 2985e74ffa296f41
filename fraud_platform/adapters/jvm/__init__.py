"""What runs Java here: the Java itself, and the jars that pip does not bring.

Here: finding Java, fetching jars by pinned hashes, the lists of them.
Not here: what is started with them (`adapters.spark`, `adapters.kafka`).
"""
