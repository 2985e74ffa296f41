"""Files by URL: a local folder, S3, HDFS.

Here: zones, single files, DistCp, how a storage is reached and whether it answers.
Not here: Delta tables (`adapters.tables`), what a drop is (`fraud_platform.ingest`).
"""
