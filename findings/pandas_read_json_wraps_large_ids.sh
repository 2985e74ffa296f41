#!/usr/bin/env bash
# pandas 2.3.3: `read_json` reduces an integer of 21 digits modulo 2**64, silently.
#
# Likely guess: an id that fits no 64-bit integer raises, becomes a Python integer or a float.
# Behaviour: 18446744073709551616 (2**64) raises "Value is too big!", and an id of 21 digits, which is
#   larger, is returned as another number: the id modulo 2**64.
# Output seen:
#   18446744073709551616 raises ValueError
#   123456789012345678912 -> 12776324570088369216
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==2.3.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pandas as pd


def read(digits):
    return int(pd.read_json(io.StringIO("{\"transaction_id\": %s}\n" % digits), lines=True)["transaction_id"][0])


try:
    first = read("18446744073709551616")
except ValueError:
    first = "raises ValueError"
print(f"18446744073709551616 {first}")
second = read("123456789012345678912")
print(f"123456789012345678912 -> {second}")
assert first == "raises ValueError", "the behaviour has changed"
assert second == 123456789012345678912 % 2**64 == 12776324570088369216, "the behaviour has changed"
PYTHON
