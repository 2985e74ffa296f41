"""Labels: what is known of a transaction, and from which hour it counts.

Here: labels of drops and of the topic, and which of two labels of one transaction holds.
Not here: features that use labels (`fraud_platform.features`), committing a drop's labels
(`fraud_platform.cleaning.labels`).
"""
