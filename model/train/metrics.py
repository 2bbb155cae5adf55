"""Compute the metrics of the paper's tables (Sun et al., SVFAP, arXiv 2401.00416).

Outputs are probabilities and values, not logits, as a bundle has them, so that one code scores
PyTorch and ONNX Runtime.

    expression   UAR, WAR, weighted F1, macro F1; ECE, the expected calibration error
    dimensions   PCC, CCC, MAE: the mean, then each dimension; trained in levels: weighted F1, too
    personality  accuracy (1 − MAE), PCC, CCC: the mean, then each trait
    units, landmarks
                 PCC, CCC, MAE: the mean, then each

Where a formula is undefined:

- A label without a single clip has no recall: it is left out of UAR (as in scikit-learn's balanced accuracy).
  A label without clips and predictions is left out of macro F1, too.
- PCC and CCC are 0 where predictions or labels are constant, so that a model with constant output comes last in a
  comparison and does not turn a mean into NaN. CCC's own formula gives that 0, but for both constant.

CCC is TorchMetrics', with variances over B - 1 (Lin's estimate has B: for a few hundred clips the same number).

B clips, C labels, K dimensions or traits.
"""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional import concordance_corrcoef, mean_absolute_error, pearson_corrcoef
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_recall,
)

from mien.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask
from model.levels import ABSENT, nearest_levels
from model.tasks import LearntTask, names
from model.train.calibration import calibration_error


def measure(task: LearntTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return each metric of a task by its name, the mean over dimensions or traits under the bare name.

    Args:
        task: the task.
        outputs: (B, columns), as a bundle gives them.
        labels: float (B, columns), NaN where absent; of expression, probabilities, the likeliest of which counts.

    Returns:
        As "UAR", or "CCC" and "CCC valence"; nothing where no clip has a label, and nothing for a single dimension
        or trait without one, which its mean then leaves out.
    """
    outputs, labels = outputs.detach().cpu(), labels.cpu()
    if isinstance(task, ExpressionTask):
        return _expression(outputs, likeliest(labels), len(task.labels))
    error = "accuracy" if isinstance(task, PersonalityTask) else "MAE"
    found = _regression(names(task), outputs, labels, error)
    return found | _levels(task, outputs, labels) if isinstance(task, DimensionsTask) else found


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


def _expression(outputs: Tensor, labels: Tensor, classes: int) -> dict[str, float]:
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


def _regression(columns: tuple[str, ...], outputs: Tensor, labels: Tensor, error: str) -> dict[str, float]:
    """Return PCC, CCC and `error`, which is "MAE" or "accuracy"."""
    found: dict[str, dict[str, float]] = {error: {}, "PCC": {}, "CCC": {}}
    for column, name in enumerate(columns):
        there = ~labels[:, column].isnan()
        if not there.any():
            continue
        said, true = outputs[there, column].double(), labels[there, column].double()
        distance = mean_absolute_error(said, true).item()
        found[error][name] = distance if error == "MAE" else 1 - distance
        alike = said.min() == said.max() or true.min() == true.max()
        found["PCC"][name] = 0.0 if alike else pearson_corrcoef(said, true).item()
        found["CCC"][name] = 0.0 if alike else concordance_corrcoef(said, true).item()
    return _with_means(found)


def _levels(task: DimensionsTask, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the weighted F1 of the levels nearest to outputs and labels (AVCAffe's metric)."""
    if task.levels is None:
        return {}
    return _levels_f1("weighted F1", task, task.levels, nearest_levels(task, task.levels, outputs), labels)


def likeliest_levels(task: DimensionsTask, probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the weighted F1 of the likeliest levels, as AVCAffe's published figures have it.

    Args:
        task: trained in levels, else nothing is returned.
        probabilities: of the levels, (B, dimensions·levels).
        labels: float (B, dimensions), NaN where absent.
    """
    if task.levels is None:
        return {}
    said = probabilities.view(len(probabilities), -1, task.levels).argmax(dim=-1)  # (B, dimensions)
    return _levels_f1("weighted F1 by argmax", task, task.levels, said, labels)


def _levels_f1(metric: str, task: DimensionsTask, levels: int, said: Tensor, labels: Tensor) -> dict[str, float]:
    true = nearest_levels(task, levels, labels)
    found: dict[str, float] = {
        name: multiclass_f1_score(said[there, column], true[there, column], levels, average="weighted").item()
        for column, name in enumerate(names(task))
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
