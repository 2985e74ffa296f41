"""The language in which a team declares its data set, in one Python file.

Here: columns by meaning, formats of files, features as functions of columns, loading such a file.
Not here: what a declaration becomes (`contracts.data_set`), names for users
(`fraud_platform.declare`).
"""
