"""Messages of the topic, from bytes to transactions or dead letters.

Here: decoding, looking at the first messages of a range, letters for impossible event times.
Not here: the rules for a single row (`fraud_platform.rows`), stream time (`fraud_platform.stream`).
"""
