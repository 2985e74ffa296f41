"""Messages of the topic, from bytes to transactions or dead letters.

Here: decoding, peeking at the ends of a range, dead letters for impossible event times.
Not here: the rules for a single row (`fraud_platform.rows`), stream time (`fraud_platform.stream`).
"""
