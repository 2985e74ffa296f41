"""Reports for people: plots, profiles and tables of values that the stages computed.

Here: the common style of plots (`plots`), the profile of a drop (`drop_profile`,
`drop_profile_figure`), what needs a person (`needs`), the report in a terminal (`terminal`).
Not here: computing metrics or a comparison (`fraud_platform.training`,
`fraud_platform.comparison`), passing a plot to Dagster or MLflow (`fraud_platform.defs`).
"""
