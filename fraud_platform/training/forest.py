"""Spark ML's random forest: fitted by Spark, converted to arrays, scored by numpy.

Here: fitting, converting the trees to arrays, files.
Not here: scoring with the arrays (`training.forest_trees`), SHAP values (`training.forest_shap`),
sessions (`adapters.spark.session`), calibration or thresholds.

The code uses only what Spark Connect supports: it reads the trees from the Parquet files of the
saved model.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.errors import SettingsError
from fraud_platform.training.fitting import Features, FitContext, FittedModel, Floats
from fraud_platform.training.forest_shap import explainer, shap_values
from fraud_platform.training.forest_trees import Trees
from fraud_platform.training.levels import CategoryLevels

if TYPE_CHECKING:
    import pandas as pd
    import xgboost as xgb
    from pyspark.sql import DataFrame, SparkSession

PARAMETERS: dict[str, Any] = {"numTrees": 100, "maxDepth": 10, "maxBins": 128}
"""Other parameters keep Spark's defaults: gini impurity, sqrt(k) features tried at each split."""

_ARRAYS, _PARAMETERS = "forest.npz", "forest.json"


class RandomForest:
    """The Spark ML random forest estimator.

    Args:
        context: the session that fits (None is enough to load models), and the temporary folder to
            which Spark saves the fitted model. None uses a local folder, which works for `local[N]`
            and for a Connect server on this machine.
    """

    def __init__(self, context: FitContext) -> None:
        self._spark = context.spark
        self._scratch_url = context.scratch_url
        self._names, self._categories = context.feature_names, context.categories

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit on one partition in row order, because bagging depends on partition and position."""
        if self._spark is None:
            raise SettingsError(
                "random_forest: expected a Spark session to fit with, found none. Pass `spark`."
            )
        from pyspark.ml.classification import RandomForestClassifier

        levels = CategoryLevels.fit(features, self._names, self._categories)
        features = levels.applied(features)
        forest = RandomForestClassifier(
            weightCol="weight", seed=seed, featureSubsetStrategy="auto", **PARAMETERS
        )
        fitted = forest.fit(vector_rows(self._spark, features, is_fraud, weights))
        with self._scratch() as folder:
            fitted.write().overwrite().save(folder)
            nodes = self._spark.read.parquet(f"{folder}/data").select("treeID", "nodeData.*")
            trees = _trees(nodes.orderBy("treeID", "id").toPandas())
        return ForestModel(trees, features.shape[1], {**PARAMETERS, "seed": seed}, levels)

    def load(self, folder: Path) -> FittedModel:
        """Read a model that `ForestModel.save` wrote."""
        described = json.loads((folder / _PARAMETERS).read_text())
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            trees = Trees(**dict(arrays.items()), depth=described["depth"])
        levels = CategoryLevels.from_lists(described.get("levels", {}))
        return ForestModel(trees, described["n_features"], described["parameters"], levels)

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        if self._scratch_url is not None:
            yield f"{self._scratch_url.rstrip('/')}/fitted_forest"
            return
        with tempfile.TemporaryDirectory() as folder:
            yield f"{folder}/forest"


class ForestModel:
    """A fitted forest; the score is Spark's probability of fraud.

    A category is split by the order of its levels, as if these were numbers.
    """

    def __init__(
        self,
        trees: Trees,
        n_features: int,
        parameters: Mapping[str, Any],
        levels: CategoryLevels | None = None,
    ) -> None:
        self._trees = trees
        self._levels = levels or CategoryLevels({})
        self._n_features = n_features
        self._parameters = dict(parameters)
        self._explainer: xgb.Booster | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the fit."""
        return self._parameters

    def predict_score(self, features: Features) -> Floats:
        """Return the mean fraud share of the leaves over all trees, shape (n,)."""
        return self._trees.score(self._levels.applied(features))

    def explain(self, features: Features) -> Floats:
        """Return exact SHAP values of the score (not of log-odds), shape (n, k)."""
        if self._explainer is None:
            self._explainer = explainer(self._trees, self._n_features)
        return shap_values(self._explainer, self._levels.applied(features))

    def feature_importance(self) -> Floats:
        """Return each feature's share of the gain, shape (k,), averaged over trees as in Spark."""
        trees = self._trees
        ends = np.append(trees.roots[1:], len(trees.feature))
        shares = np.zeros(self._n_features)
        for start, end in zip(trees.roots, ends, strict=True):
            splits = trees.feature[start:end] >= 0
            gain = np.bincount(
                trees.feature[start:end][splits], trees.gain[start:end][splits], self._n_features
            )
            shares += gain / gain.sum() if gain.sum() > 0 else 0.0
        return shares / shares.sum() if shares.sum() > 0 else shares

    def save(self, folder: Path) -> None:
        """Write arrays and parameters, without timestamps or pickles."""
        trees = self._trees
        arrays = {name: value for name, value in vars(trees).items() if name != "depth"}
        np.savez(folder / _ARRAYS, **arrays)
        described = {
            "depth": trees.depth,
            "n_features": self._n_features,
            "parameters": self._parameters,
        }
        if self._levels.codes:
            described["levels"] = self._levels.as_lists()
        (folder / _PARAMETERS).write_text(json.dumps(described, indent=1, sort_keys=True))


def vector_rows(
    spark: SparkSession, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats
) -> DataFrame:
    """Return the rows as Spark ML's input (label, weight, features), in one ordered partition."""
    import pandas as pd
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    rows = pd.DataFrame(
        {
            "row": np.arange(len(features)),
            "label": is_fraud.astype(np.float64),
            "weight": weights,
            "values": list(features.astype(np.float64)),
        }
    )
    return (
        spark.createDataFrame(rows)
        .repartition(1)
        .sortWithinPartitions("row")
        .select("label", "weight", array_to_vector(F.col("values")).alias("features"))
    )


def _trees(nodes: pd.DataFrame) -> Trees:
    """Return the arrays of Spark's saved nodes, which must be ordered by treeID and id."""
    tree = nodes["treeID"].to_numpy()
    roots = np.flatnonzero(np.diff(tree, prepend=-1)).astype(np.int32)
    first = roots[np.cumsum(np.diff(tree, prepend=-1) != 0) - 1]
    node = np.arange(len(nodes), dtype=np.int32)
    is_leaf = nodes["leftChild"].to_numpy() < 0
    stats = np.stack([np.asarray(s, dtype=np.float64) for s in nodes["impurityStats"]])
    weight = stats.sum(axis=1)
    splits = [s.asDict() if hasattr(s, "asDict") else s for s in nodes["split"]]
    thresholds = [_split_value(s) for s in splits]
    left = np.where(is_leaf, node, first + nodes["leftChild"].to_numpy()).astype(np.int32)
    right = np.where(is_leaf, node, first + nodes["rightChild"].to_numpy()).astype(np.int32)
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, -1, [s["featureIndex"] for s in splits]).astype(np.int32),
        threshold=np.where(is_leaf, 0.0, thresholds),
        left=left,
        right=right,
        fraud_share=stats[:, 1] / weight,
        weight=weight,
        gain=np.where(is_leaf, 0.0, nodes["gain"].to_numpy() * weight),
        depth=_depth(roots, left, right),
    )


def _split_value(split: Mapping[str, Any]) -> float:
    values = split["leftCategoriesOrThreshold"]
    return float(values[0]) if values is not None and len(values) else 0.0


def _depth(
    roots: npt.NDArray[np.int32], left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]
) -> int:
    level, depth = roots, 0
    while True:
        inner = level[left[level] != level]
        if len(inner) == 0:
            return depth
        level = np.concatenate([left[inner], right[inner]])
        depth += 1
