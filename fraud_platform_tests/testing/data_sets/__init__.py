"""Declarations of data sets that tests work on, each a file as a team writes it.

Here: `payments`, which has text keys, a time of two columns, categories and numbers.
Not here: rows and messages of them (`testing.worlds.declared`).
"""
