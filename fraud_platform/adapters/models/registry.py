"""Runs, models and aliases in MLflow.

Here: one class, `ModelRegistry`, over one tracking URI; MLflow's failures become `Outage`s.
Not here: what is trained or compared (`training`, `comparison`), or who becomes champion
(`promotion`): the alias follows the promotion history, it never decides.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraud_platform.adapters.models.server import Login, require_mlflow
from fraud_platform.adapters.storage.access import S3Access
from fraud_platform.adapters.storage.failures import first_line, is_refusal
from fraud_platform.adapters.storage.probing import require_storage
from fraud_platform.errors import Outage

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_NAME = "fraud"
CHAMPION, CHALLENGER = "champion", "challenger"
_EXPERIMENT = "fraud_platform"


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version and the run that logged it."""

    version: int
    run_id: str
    tags: Mapping[str, str]

    @property
    def knowledge_date(self) -> str:
        """The knowledge date that the model was trained for."""
        return self.tags["knowledge_date"]


class ModelRegistry:
    """MLflow's tracking store and model registry, as this platform uses them.

    Args:
        url: tracking and registry URI (`sqlite:///..`, `postgresql://..` or `http(s)://..`).
        artifacts_url: where artifacts go, a path or URL; the tracking store's choice if None.
        login: what the proxy before a server asks for.
    """

    def __init__(
        self, url: str, artifacts_url: str | None = None, login: Login | None = None
    ) -> None:
        self.url = url
        self._login = login
        self._artifacts_url = artifacts_url
        self._is_prepared = False

    def register(
        self,
        knowledge_date: str,
        candidate_folder: Path,
        feature_names: tuple[str, ...],
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        artifacts: Mapping[str, bytes],
        tags: Mapping[str, str],
    ) -> ModelVersion:
        """Log a candidate as a run and a model version; the same bytes for the same D only once.

        Args:
            artifacts: file name to content: plots, curves, the features' declaration.
            tags: among them the table versions that the model was trained on.
        """
        content = folder_digest(candidate_folder)
        with self._client() as client:
            for known in self.versions():
                if known.tags.get("content_sha256") == content and (
                    known.tags.get("knowledge_date") == knowledge_date
                ):
                    return known
            import mlflow

            mlflow.set_experiment(_EXPERIMENT)
            every_tag = {**tags, "knowledge_date": knowledge_date, "content_sha256": content}
            with mlflow.start_run(
                run_name=f"candidate {knowledge_date}", tags=every_tag, log_system_metrics=False
            ) as run:
                mlflow.log_params(dict(params))
                mlflow.log_metrics(dict(metrics))
                self._log_files(artifacts)
                info = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("pyfunc_entry.py")),
                    artifacts={"candidate": str(candidate_folder)},
                    signature=_signature(feature_names),
                    pip_requirements=["fraud-platform"],
                )
            made = client.create_model_version(
                MODEL_NAME,
                source=info.model_uri,
                run_id=run.info.run_id,
                tags=every_tag,
                model_id=info.model_id,
            )
            return ModelVersion(int(made.version), run.info.run_id, every_tag)

    def versions(self) -> list[ModelVersion]:
        """Return every registered version, oldest first."""
        with self._client() as client:
            found = client.search_model_versions(f"name='{MODEL_NAME}'", max_results=10_000)
            return sorted(
                (ModelVersion(int(v.version), v.run_id or "", dict(v.tags)) for v in found),
                key=lambda v: v.version,
            )

    def get(self, version: int) -> ModelVersion:
        """Return one version."""
        with self._client() as client:
            found = client.get_model_version(MODEL_NAME, str(version))
            return ModelVersion(version, found.run_id or "", dict(found.tags))

    @contextmanager
    def candidate_folder(self, version: int) -> Iterator[Path]:
        """Give the folder of a version's candidate, as it was saved, for the length of a block."""
        with self._client() as client, tempfile.TemporaryDirectory() as scratch:
            import mlflow

            source = client.get_model_version(MODEL_NAME, str(version)).source
            local = mlflow.artifacts.download_artifacts(f"{source}", dst_path=scratch)
            yield next(Path(local).glob("artifacts/*"))

    def log_report(
        self, run_id: str, metrics: Mapping[str, float], artifacts: Mapping[str, bytes]
    ) -> None:
        """Add an A/B report's metrics and files to the candidate's run."""
        with self._client():
            import mlflow

            with mlflow.start_run(run_id=run_id, log_system_metrics=False):
                mlflow.log_metrics(dict(metrics))
                self._log_files(artifacts)

    def alias(self, name: str) -> int | None:
        """Return the version that an alias points at, or None."""
        with self._client() as client:
            aliases = dict(client.get_registered_model(MODEL_NAME).aliases)
            return int(aliases[name]) if name in aliases else None

    def set_alias(self, name: str, version: int | None) -> None:
        """Point an alias at a version, or at none."""
        with self._client() as client:
            if version is not None:
                client.set_registered_model_alias(MODEL_NAME, name, str(version))
            elif self.alias(name) is not None:
                client.delete_registered_model_alias(MODEL_NAME, name)

    def tag(self, version: int, tags: Mapping[str, str]) -> None:
        """Tag a version with who decided what about it, and why."""
        with self._client() as client:
            for key, value in tags.items():
                client.set_model_version_tag(MODEL_NAME, str(version), key, value)

    def _log_files(self, artifacts: Mapping[str, bytes]) -> None:
        import mlflow

        with tempfile.TemporaryDirectory() as scratch:
            for name, content in artifacts.items():
                path = Path(scratch) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            mlflow.log_artifacts(scratch)

    @contextmanager
    def _client(self) -> Iterator[MlflowClient]:
        """Give a client set up for this store, with its failures told as outages."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        # its own patience is minutes; ours says so and goes on
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import logging
        import warnings

        import mlflow
        from mlflow.exceptions import MlflowException

        warnings.filterwarnings("ignore", message=".*input example was not provided.*")
        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if self._artifacts_url is not None:
            require_storage(self._artifacts_url)
            os.environ.setdefault("AWS_DEFAULT_REGION", S3Access.from_variables().region)
        if self.url.startswith("sqlite:///"):
            Path(self.url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        if self.url.startswith(("http://", "https://")):
            require_mlflow(self.url, self._login)
        try:
            mlflow.set_tracking_uri(self.url)
            mlflow.set_registry_uri(self.url)
            client = mlflow.MlflowClient()
            self._prepare_once(client)
            yield client
        except Exception as error:
            # of artifacts, which MLflow reads itself, it lets the storage's own errors through
            if not isinstance(error, MlflowException) and not is_refusal(error):
                raise
            raise Outage(
                f"MLflow at {self.url} failed: {first_line(error)}. "
                "Check that it runs and that its store is writable, then run again."
            ) from error

    def _prepare_once(self, client: MlflowClient) -> None:
        if self._is_prepared:
            return
        if client.get_experiment_by_name(_EXPERIMENT) is None:
            root = self._artifacts_url
            if root is not None and "://" not in root:
                root = Path(root).absolute().as_uri()
            client.create_experiment(_EXPERIMENT, artifact_location=root)
        if not client.search_registered_models(f"name='{MODEL_NAME}'"):
            client.create_registered_model(MODEL_NAME, description="Card fraud probability.")
        self._is_prepared = True


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a folder's files, in name order."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _signature(feature_names: tuple[str, ...]) -> Any:
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.float, name) for name in feature_names]),
        outputs=Schema([ColSpec(DataType.double, "fraud_probability")]),
    )
