#!/usr/bin/env bash
# mlflow 3.17.2: a version number is given to a second model, and an alias goes with its version.
#
# Likely guess: the numbers of a registered model only rise, as they do after the newest version is
#   deleted, so that name and number say which model is meant; deleting a version that an alias
#   points at is refused, or leaves the alias for somebody to see.
# Behaviour: once the registered model is deleted and made again (or its database is restored from a
#   backup) numbers begin again, and "churn 1" is another model. Deleting a version removes its
#   aliases without a word.
# Output seen:
#   next after deleting the newest of 2: 3
#   next after deleting the registered model: 1
#   aliases after deleting version 3, which had one: {}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
"$folder/venv/bin/python" -W ignore - 2>errors <<'PYTHON' || { cat errors >&2; exit 1; }
import mlflow

client = mlflow.MlflowClient("sqlite:///mlflow.db", "sqlite:///mlflow.db")


def add():
    return int(client.create_model_version("churn", source="file:///models/any").version)


client.create_registered_model("churn")
first, second = add(), add()
client.delete_model_version("churn", str(second))
third = add()
client.set_registered_model_alias("churn", "champion", str(third))
client.delete_model_version("churn", str(third))
aliases = dict(client.get_registered_model("churn").aliases)
client.delete_registered_model("churn")
client.create_registered_model("churn")
again = add()
print(f"next after deleting the newest of {second}: {third}")
print(f"next after deleting the registered model: {again}")
print(f"aliases after deleting version {third}, which had one: {aliases}")
assert (first, second, third, again, aliases) == (1, 2, 3, 1, {}), "the behaviour has changed"
PYTHON
