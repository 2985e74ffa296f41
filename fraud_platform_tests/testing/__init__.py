"""What tests share: how they run, and on what.

Here: the order and place in which test files run, the file system of temporary folders, what is
built once for all workers.
Not here: oracles (`fraud_platform_tests.oracles`), tests.
"""
