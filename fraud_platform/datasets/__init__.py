"""What is particular to one source of data, one package each.

Here: the features that are declared for a data set.
Not here: the platform, which works with any declared data set.
"""
