"""Storage: files by URL in local folders, on S3 and on HDFS.

Here: zones, single files, DistCp, configuration of storage clients, probing a storage.
Not here: Delta tables (`adapters.tables`), what a drop is (`fraud_platform.ingest`).
"""
