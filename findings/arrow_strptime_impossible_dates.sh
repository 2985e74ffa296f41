#!/usr/bin/env bash
# pyarrow 25.0.1: `compute.strptime` turns days that do not exist into days of the next month.
#
# Likely guess: 31 February raises, as 2019-13-01 does, or becomes null with error_is_null=True.
# Behaviour: it becomes 3 March, silently, even with error_is_null=True. The cast from string to
#   timestamp in the same package refuses the value.
# Output seen:
#   2019-02-29 -> strptime 2019-03-01, cast refuses
#   2019-02-31 -> strptime 2019-03-03, cast refuses
#   2019-04-31 -> strptime 2019-05-01, cast refuses
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc

expected = {"2019-02-29": "2019-03-01", "2019-02-31": "2019-03-03", "2019-04-31": "2019-05-01"}
for text, other in expected.items():
    parsed = pc.strptime(pa.array([text]), format="%Y-%m-%d", unit="s", error_is_null=True)
    found = str(parsed[0].as_py().date())
    try:
        pa.array([text]).cast(pa.timestamp("s"))
        cast = "accepts"
    except pa.ArrowInvalid:
        cast = "refuses"
    print(f"{text} -> strptime {found}, cast {cast}")
    assert (found, cast) == (other, "refuses"), "the behaviour has changed"
PYTHON
