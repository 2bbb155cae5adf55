"""Compute the metrics of the paper's tables (Sun et al., SVFAP, arXiv 2401.00416).

Outputs are probabilities and values, not logits, as a bundle has them, so that one code scores
PyTorch and ONNX Runtime.

    expression   UAR, WAR, weighted F1, macro F1; ECE, the expected calibration error
    dimensions   PCC, CCC, MAE: the mean, then each dimension; trained in levels: weighted F1, too
    personality  accuracy (1 − MAE), PCC, CCC: the mean, then each trait
    units, landmarks
                 PCC, CCC, MAE: the mean, then each

Where a formula is undefined:

- Without a single label there are no metrics; a dimension or trait without any has none, and the mean leaves it out.
- A label without a single clip has no recall: it is left out of UAR (as in scikit-learn's balanced accuracy).
  A label without clips and predictions is left out of macro F1, too.
- PCC and CCC are 0 where predictions or labels are constant, so that a model with constant output comes last in a
  comparison and does not turn a mean into NaN. CCC's own formula gives that 0, but for both constant.

CCC is TorchMetrics', with variances over B - 1 (Lin's estimate has B: for a few hundred clips the same number).

All take a task, its outputs as a bundle gives them and its labels, both (B, columns); labels are NaN where absent and,
of expression, probabilities, the likeliest of which counts. They return each metric by its name: as "UAR", or the mean
over dimensions or traits as "CCC", and each as "CCC valence".

B clips, C labels, K dimensions or traits.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torchmetrics.functional import concordance_corrcoef, mean_absolute_error, pearson_corrcoef
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_recall,
)

from mien.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask
from model.tasks.calibration import calibration_error
from model.tasks.learnt import LearntTask
from model.tasks.levels import ABSENT, count_of, nearest_levels

LEAST_CORRELATED = 3
"""Pearson's correlation of two clips is 1 or −1 whatever they are, so that it is left out."""


def expression_metrics(task: ExpressionTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return UAR, WAR, F1 and ECE of probabilities (B, C); nothing without a label."""
    labels, classes = likeliest(labels), len(task.labels)
    there = labels != ABSENT
    if not there.any():
        return {}
    said, true = outputs[there].argmax(dim=-1), labels[there]
    recalls = multiclass_recall(said, true, classes, average="none")
    return {
        "UAR": recalls[true.bincount(minlength=classes) > 0].mean().item(),
        "WAR": multiclass_accuracy(said, true, classes, average="micro").item(),
        "weighted F1": multiclass_f1_score(said, true, classes, average="weighted").item(),
        "macro F1": multiclass_f1_score(said, true, classes, average="macro").item(),
        "ECE": calibration_error(outputs, labels),
    }


def error_metrics(task: LearntTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return MAE, PCC and CCC of values (B, K)."""
    return _with_means({"MAE": _errors(task, outputs, labels), **_correlations(task, outputs, labels)})


def accuracy_metrics(task: PersonalityTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the accuracy, which is 1 − MAE, and PCC and CCC of values (B, K)."""
    accuracies = {name: 1 - error for name, error in _errors(task, outputs, labels).items()}
    return _with_means({"accuracy": accuracies, **_correlations(task, outputs, labels)})


def levels_metrics(task: DimensionsTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return `error_metrics`, and the weighted F1 of the levels nearest to outputs and labels (AVCAffe's metric)."""
    said = nearest_levels(task, outputs)
    return error_metrics(task, outputs, labels) | _levels_f1("weighted F1", task, said, labels)


def likeliest(labels: Tensor) -> Tensor:
    """Return the most probable class of each row of (B, C), int64 (B,); `ABSENT` where the row is NaN."""
    return labels.nan_to_num().argmax(dim=-1).masked_fill(labels.isnan().any(dim=-1), ABSENT)


def confusion(outputs: Tensor, labels: Tensor) -> Tensor:
    """Compute the confusion matrix in clips: labelled expressions (rows), predicted expressions (columns).

    Args:
        outputs: probabilities (B, C).
        labels: probabilities (B, C), NaN where absent.

    Returns:
        int64 (C, C).
    """
    labels = likeliest(labels)
    there = labels != ABSENT
    counts: Tensor = multiclass_confusion_matrix(outputs[there].argmax(dim=-1), labels[there], outputs.shape[-1])
    return counts


def _errors(task: LearntTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return each column's mean absolute error."""
    return {
        name: mean_absolute_error(said, true).item() for name, said, true in _labelled_columns(task, outputs, labels)
    }


def _correlations(task: LearntTask, outputs: Tensor, labels: Tensor) -> dict[str, dict[str, float]]:
    """Return each column's PCC, of `LEAST_CORRELATED` clips or more, and CCC."""
    found: dict[str, dict[str, float]] = {"PCC": {}, "CCC": {}}
    for name, said, true in _labelled_columns(task, outputs, labels):
        constant = said.min() == said.max() or true.min() == true.max()
        if len(true) >= LEAST_CORRELATED:
            found["PCC"][name] = 0.0 if constant else pearson_corrcoef(said, true).item()
        found["CCC"][name] = 0.0 if constant else concordance_corrcoef(said, true).item()
    return found


def _labelled_columns(task: LearntTask, outputs: Tensor, labels: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the name, the outputs and the labels of each column that has labels, float64 (labelled clips,)."""
    for column, name in enumerate(task.names):
        there = ~labels[:, column].isnan()
        if there.any():
            yield name, outputs[there, column].double(), labels[there, column].double()


def likeliest_levels(task: DimensionsTask, probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the weighted F1 of the likeliest levels, as AVCAffe's published figures have it.

    Args:
        task: trained in levels.
        probabilities: of the levels, (B, dimensions·levels).
        labels: float (B, dimensions), NaN where absent.
    """
    said = probabilities.view(len(probabilities), -1, count_of(task)).argmax(dim=-1)  # (B, dimensions)
    return _levels_f1("weighted F1 by argmax", task, said, labels)


def _levels_f1(metric: str, task: DimensionsTask, said: Tensor, labels: Tensor) -> dict[str, float]:
    true = nearest_levels(task, labels)
    found: dict[str, float] = {
        name: multiclass_f1_score(said[there, column], true[there, column], count_of(task), average="weighted").item()
        for column, name in enumerate(task.names)
        if (there := true[:, column] != ABSENT).any()
    }
    return _with_means({metric: found})


def _with_means(found: dict[str, dict[str, float]]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for metric, by_name in found.items():
        if by_name:
            flat[metric] = sum(by_name.values()) / len(by_name)
            flat |= {f"{metric} {name}": value for name, value in by_name.items()}
    return flat
