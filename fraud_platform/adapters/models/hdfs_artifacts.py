"""MLflow artifacts on HDFS without libhdfs.

Here: the artifact repository for `hdfs://` URLs, which MLflow finds by this package's entry point.
It exists because MLflow's own HDFS repository needs libhdfs and a JVM in the process.
Not here: what is stored (`adapters.models.registry`).
"""

from __future__ import annotations

import posixpath
import shutil
from pathlib import Path

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from fraud_platform.adapters.storage.schemes import file_system


class HdfsArtifacts(ArtifactRepository):
    """The artifacts below one `hdfs://` URL."""

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file, with its name, in a folder of the repository."""
        files, root = file_system(self.artifact_uri)
        folder = posixpath.join(root, artifact_path or "")
        files.makedirs(folder, exist_ok=True)
        target = posixpath.join(folder, Path(local_file).name)
        with Path(local_file).open("rb") as source, files.open(target, "wb") as file:
            shutil.copyfileobj(source, file, 4 << 20)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store all files of a folder and its subfolders."""
        for path in sorted(p for p in Path(local_dir).rglob("*") if p.is_file()):
            folder = path.parent.relative_to(local_dir).as_posix()
            self.log_artifact(
                str(path), posixpath.normpath(f"{artifact_path or ''}/{folder}").lstrip("/")
            )

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the entries of a folder of the repository; empty if it does not exist."""
        files, root = file_system(self.artifact_uri)
        folder = posixpath.join(root, path or "")
        try:
            if not files.isdir(folder):
                return []
            entries = files.ls(folder, detail=True)
        except FileNotFoundError:
            return []
        return [
            FileInfo(
                posixpath.relpath(entry["name"], root),
                entry["type"] == "directory",
                None if entry["type"] == "directory" else entry["size"],
            )
            for entry in sorted(entries, key=lambda entry: str(entry["name"]))
        ]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        files, root = file_system(self.artifact_uri)
        source = posixpath.join(root, remote_file_path)
        with files.open(source, "rb") as file, Path(local_path).open("wb") as target:
            shutil.copyfileobj(file, target, 4 << 20)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Remove a file or folder of the repository."""
        files, root = file_system(self.artifact_uri)
        files.rm(posixpath.join(root, artifact_path or ""), recursive=True)
