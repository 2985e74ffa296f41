"""The language of feature declarations.

Here: integer terms, expression trees, features, flags and measures.
Not here: the features of a data set (`fraud_platform.datasets`), their computation
(`fraud_platform.features`).
"""
