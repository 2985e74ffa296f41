#!/usr/bin/env bash
# mlflow 3.17.2: a logged model is loaded whatever its files hold; they are compared with nothing.
#
# Likely guess: a registered model version is immutable, and a file of it that was changed, or taken
#   from another version, is noticed when it is loaded, as a package manager notices it by a digest.
# Behaviour: no digest is kept of a model's artifacts. Another content of the same file loads and
#   predicts under the same version. (A damaged file of a model library is parsed as it is; some
#   libraries then end the process, so a check has to come before.)
# Output seen:
#   version 1 predicts 220.0 as logged, 0.0 after its file was changed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
"$folder/venv/bin/python" -W ignore - 2>errors <<'PYTHON' || { cat errors >&2; exit 1; }
from pathlib import Path

import mlflow
import mlflow.pyfunc

mlflow.set_tracking_uri("sqlite:///mlflow.db")
Path("threshold.txt").write_text("220.0")
Path("model.py").write_text(
    "import mlflow, pathlib\n"
    "class Threshold(mlflow.pyfunc.PythonModel):\n"
    "    def load_context(self, context):\n"
    "        path = pathlib.Path(context.artifacts['threshold'])\n"
    "        self.value = float(path.read_text())\n"
    "    def predict(self, context, model_input, params=None):\n"
    "        return self.value\n"
    "mlflow.models.set_model(Threshold())\n"
)
with mlflow.start_run():
    mlflow.pyfunc.log_model(
        name="model", python_model="model.py", artifacts={"threshold": "threshold.txt"},
        registered_model_name="alerts", pip_requirements=["mlflow"],
    )


def predict():
    return mlflow.pyfunc.load_model("models:/alerts/1").predict([1])


logged = predict()
(stored,) = Path.cwd().glob("mlruns/**/artifacts/**/threshold.txt")
stored.write_text("0.0")
changed = predict()
print(f"version 1 predicts {logged} as logged, {changed} after its file was changed")
assert (logged, changed) == (220.0, 0.0), "the behaviour has changed"
PYTHON
