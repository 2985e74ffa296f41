"""Features: their computation, the Spark batch engine and the live state.

Here: the arithmetic that all engines share (`compute`), the batch engine and writing days to the
lake (`batch`), the state that scores single transactions (`live`), what a column is made from
(`lineage`), the page for people (`documentation`), and use of what an earlier declaration made
(`compatibility`).
Not here: the language of declarations (`contracts.feature_language`), the declared features
(`fraud_platform.datasets`), the tables' contracts (`tables.features`), training
(`fraud_platform.training`), Dagster assets (`fraud_platform.defs`).
"""
