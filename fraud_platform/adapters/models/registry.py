"""Runs, models and aliases in MLflow.

Here: one class, `ModelRegistry`, over one tracking URI.
Not here: the client and its errors (`adapters.models.connecting`), what is trained or compared
(`training`, `comparison`), or who becomes champion (`promotion`): the alias follows the promotion
history, it never decides; comparing both (`fraud_platform.operations.models.champion`).

Guarantee: a candidate's files are given out only if their digest is the one that the registry
keeps as a tag, which the files themselves do not carry.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraud_platform.adapters.models.connecting import connected, has_database, is_missing
from fraud_platform.adapters.models.server import Login
from fraud_platform.adapters.models.storing import (
    EXPERIMENT,
    MODEL_NAME,
    download_candidate,
    has_run,
    is_deleted,
    make_experiment,
    make_model,
    registered,
    restore_experiment,
    signature_of,
)
from fraud_platform.adapters.models.version_tags import (
    DIGEST_TAG,
    KNOWLEDGE_DATE_TAG,
    LINEAGE_TAG,
    lineage_json,
    pack,
    unpack,
)
from fraud_platform.contracts.model_files import folder_digest, require_digest
from fraud_platform.errors import RegistryLostError, UnknownModelError

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
ARTIFACTS_TAG = "model_artifacts"
"""Part of a version's lineage: the URL of its candidate's files."""
_RESERVED_TAG = "reserved_number"
"""Tag of a version that holds no model: its number is named by the history for a lost one."""
_CARRIED_OUT_TAG = "promotion.carried_out"


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version and the run that logged it.

    Args:
        tags: those on its page in MLflow, and each part of its lineage.
    """

    version: int
    run_id: str
    tags: Mapping[str, str]

    @property
    def knowledge_date(self) -> str:
        """The knowledge date that the model was trained for."""
        return self.tags[KNOWLEDGE_DATE_TAG]

    @property
    def sha256(self) -> str | None:
        """The digest of its files; None of a version that this platform did not register."""
        return self.tags.get(DIGEST_TAG)


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

    def register(
        self,
        knowledge_date: str,
        candidate_folder: Path,
        feature_names: tuple[str, ...],
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        artifacts: Mapping[str, bytes],
        tags: Mapping[str, str],
        known_models: int = 0,
    ) -> ModelVersion:
        """Log a candidate as a run and a model version; the same bytes for the same D only once.

        Args:
            artifacts: file name to content: plots, curves, the features' declaration.
            tags: what the model was made from, among them the table versions. They become one tag
                of the version and the artifact `lineage.json` of its run.
            known_models: the highest version that the promotion history names; 0 on a platform that
                never had a model. No other model ever gets a number up to it.

        Raises:
            RegistryLostError: the registry is empty or deleted though the history names models.
        """
        content = folder_digest(candidate_folder)
        for known in self.versions():
            if (known.sha256, known.tags.get(KNOWLEDGE_DATE_TAG)) == (content, knowledge_date):
                return known
        with self._client() as client:
            self._prepare(client, known_models)
            import mlflow

            mlflow.set_experiment(EXPERIMENT)
            run_tags = {KNOWLEDGE_DATE_TAG: knowledge_date, DIGEST_TAG: content}
            every_tag = {**tags, **run_tags}
            with mlflow.start_run(
                run_name=f"candidate {knowledge_date}", tags=run_tags, log_system_metrics=False
            ) as run:
                mlflow.log_params(dict(params))
                mlflow.log_metrics(dict(metrics))
                lineage = {f"{LINEAGE_TAG}.json": lineage_json(every_tag).encode()}
                self._log_files({**artifacts, **lineage})
                info = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("pyfunc_entry.py")),
                    artifacts={"candidate": str(candidate_folder)},
                    signature=signature_of(feature_names),
                    pip_requirements=["fraud-platform"],
                )
            at = str(client.get_logged_model(info.model_id).artifact_location)
            every_tag[ARTIFACTS_TAG] = at
            return self._create(
                client, info.model_uri, run.info.run_id, every_tag, known_models, info.model_id
            )

    def register_again(
        self, run_id: str, tags: Mapping[str, str], known_models: int
    ) -> ModelVersion:
        """Register a version that the registry lost from where its files lie; checked before.

        Args:
            run_id: of the run that logged it, which may be lost as well.
            tags: as the promotion history keeps them, digest and place of the files among them.
            known_models: as for `register`.

        Raises:
            ModelDamagedError: the files are gone, or are not those that were registered.
        """
        at = tags.get(ARTIFACTS_TAG, "")
        name = f"{MODEL_NAME} of {tags.get(KNOWLEDGE_DATE_TAG, 'unknown date')}"
        with self._client() as client, tempfile.TemporaryDirectory() as scratch:
            folder = download_candidate(name, at, scratch)
            require_digest(name, tags.get(DIGEST_TAG), folder_digest(folder), "the history")
            restore_experiment(client, self._artifacts_url)
            make_model(client)
            run = run_id if has_run(client, run_id) else None
            return self._create(client, at, run, dict(tags), known_models)

    def _create(
        self,
        client: MlflowClient,
        source: str,
        run_id: str | None,
        tags: dict[str, str],
        known_models: int,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Create a version above `known_models`; what lies below is reserved, and no model.

        MLflow gives the next free number, which after a restore of its database is one that
        another model had.
        """
        while True:
            made = client.create_model_version(
                MODEL_NAME, source, run_id, {_RESERVED_TAG: "true"}, model_id=model_id
            )
            if int(made.version) > known_models:
                break
        for key, value in pack(tags).items():
            client.set_model_version_tag(MODEL_NAME, made.version, key, value)
        client.delete_model_version_tag(MODEL_NAME, made.version, _RESERVED_TAG)
        return ModelVersion(int(made.version), run_id or "", tags)

    def versions(self) -> list[ModelVersion]:
        """Return every registered version, oldest first; nothing of a registry that is not there.

        What was reserved, or died while it was registered, is none.

        Raises:
            ModelDamagedError: the lineage of one cannot be read.
        """
        if not has_database(self.url):
            return []
        with self._client() as client:
            found = client.search_model_versions(f"name='{MODEL_NAME}'", max_results=10_000)
            return sorted(
                (
                    ModelVersion(
                        int(v.version), v.run_id or "", unpack(f"{MODEL_NAME} {v.version}", v.tags)
                    )
                    for v in found
                    if _RESERVED_TAG not in v.tags
                ),
                key=lambda v: v.version,
            )

    def get(self, version: int) -> ModelVersion:
        """Return one version.

        Raises:
            UnknownModelError: there is none of that number.
        """
        found = {model.version: model for model in self.versions()}
        if version not in found:
            raise self._unknown(version, list(found))
        return found[version]

    def _unknown(self, version: int, found: list[int]) -> UnknownModelError:
        there = ", ".join(map(str, found)) or "none"
        return UnknownModelError(
            f"model {MODEL_NAME} {version}: expected a version of the registry at {self.url}, "
            f"found {there}. Name one of these; if it was there before, restore the registry's "
            "database, or run `fraud-platform champion --from-history` if it is the champion."
        )

    @contextmanager
    def candidate_folder(self, version: int, expected: str | None = None) -> Iterator[Path]:
        """Give the folder of a version's candidate, checked, for the length of a block.

        Args:
            version: which one.
            expected: the digest that the promotion history names for it, if it names one.

        Raises:
            UnknownModelError: there is no such version.
            ModelDamagedError: its files are missing or not those that were registered.
        """
        model, name = self.get(version), f"{MODEL_NAME} {version}"
        with tempfile.TemporaryDirectory() as scratch:
            with self._client() as client:
                source = client.get_model_version(MODEL_NAME, str(version)).source
                folder = download_candidate(name, source, scratch)
            found = folder_digest(folder)
            require_digest(name, model.sha256, found)
            require_digest(name, expected or found, found, "the promotion history")
            yield folder

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
        if not has_database(self.url):
            return None
        with self._client() as client:
            aliases = dict(getattr(registered(client), "aliases", {}))
            return int(aliases[name]) if name in aliases else None

    def set_alias(self, name: str, version: int | None) -> None:
        """Point an alias at a version, or at none.

        Raises:
            UnknownModelError: there is no such version.
        """
        if version is None and self.alias(name) is None:
            return
        with self._client() as client:
            if version is None:
                client.delete_registered_model_alias(MODEL_NAME, name)
                return
            try:
                client.set_registered_model_alias(MODEL_NAME, name, str(version))
            except Exception as error:
                if not is_missing(error):
                    raise
                raise self._unknown(version, [v.version for v in self.versions()]) from error

    def carried_out(self) -> int | None:
        """Return the last decision of the history that the aliases followed; None if not noted."""
        if not has_database(self.url):
            return None
        with self._client() as client:
            tags = dict(getattr(registered(client), "tags", {}))
            return int(tags[_CARRIED_OUT_TAG]) if _CARRIED_OUT_TAG in tags else None

    def note_carried_out(self, sequence: int) -> None:
        """Note that the aliases follow the history up to a decision."""
        with self._client() as client:
            client.set_registered_model_tag(MODEL_NAME, _CARRIED_OUT_TAG, str(sequence))

    def describe(self, version: int, words: str) -> None:
        """Write what the version's page begins with, in Markdown."""
        with self._client() as client:
            client.update_model_version(MODEL_NAME, str(version), words)

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

    def _client(self) -> AbstractContextManager[MlflowClient]:
        return connected(self.url, self._artifacts_url, self._login)

    def _prepare(self, client: MlflowClient, known_models: int) -> None:
        """Make the experiment and the model of a platform that never had any.

        Raises:
            RegistryLostError: they are gone, though the history names models.
        """
        if is_deleted(client):
            raise self._lost(f"the experiment {EXPERIMENT} deleted")
        if known_models and registered(client) is None:
            raise self._lost("an empty registry")
        make_experiment(client, self._artifacts_url)
        make_model(client)

    def _lost(self, found: str) -> RegistryLostError:
        return RegistryLostError(
            f"MLflow at {self.url}: expected the registered model {MODEL_NAME}, which the "
            f"promotion history names, found {found}. Check FRAUD_MLFLOW_URL and restore "
            "MLflow's database, or run `fraud-platform champion --from-history`, which registers "
            "the champion again from its artifacts and restores a deleted experiment."
        )

    def begin_again(self) -> None:
        """Restore the experiment if it was deleted; make it and the model if they are not there."""
        with self._client() as client:
            restore_experiment(client, self._artifacts_url)
            make_model(client)

    def is_experiment_deleted(self) -> bool:
        """Return whether the experiment was deleted that all runs belong to."""
        if not has_database(self.url):
            return False
        with self._client() as client:
            return is_deleted(client)
