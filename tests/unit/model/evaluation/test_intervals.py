"""Confidence intervals of scores of few clips."""

import torch

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask
from model.evaluation.intervals import intervals
from model.evaluation.report import EvaluationReport, PartScores, markdown
from model.evaluation.scores import Scored, labelled, measured

EXPRESSION = ExpressionTask(labels=("happiness", "sadness"))
VALENCE = DimensionsTask(dimensions=(Dimension(name="valence"),))


def scored(clips):
    values = torch.linspace(-0.5, 0.5, clips)[:, None]
    return Scored({"dimensions": values}, {"dimensions": values + 0.1})


def reported(clips, unlabelled=0):
    found = scored(clips + unlabelled)
    found.labels["dimensions"][clips:] = torch.nan
    bounds, scores, counts = (of([VALENCE], found) for of in (intervals, measured, labelled))
    part = PartScores(
        part="test", model="m", clips=clips + unlabelled, labelled=counts, scores=scores, intervals=bounds
    )
    return markdown(EvaluationReport(data="d", views=4, parts=(part,), pooled=scores, pooled_intervals=bounds))


def test_two_clips_have_no_correlation():
    told = reported(2)

    assert "| PCC" not in told
    assert "| CCC | 0.9" in told
    assert "The part test has 2 clips with labels of dimensions. Scores of fewer than 30 are chance" in told
    assert "correlation of two clips would be 1 or −1" in told


def test_clips_without_a_label_do_not_count():
    assert "The part test has 2 clips with labels of dimensions. Scores of fewer" in reported(2, unlabelled=40)


def test_the_correlation_of_few_clips_does_not_stand_unqualified():
    assert "| PCC | 1.0000 [0.00, 1.00] | 1.0000 [0.00, 1.00] |" in reported(3)


def test_an_interval_holds_the_score_and_narrows_with_the_clips():
    widths = []
    for clips in (6, 28):
        labels = torch.eye(2)[torch.arange(clips) % 2]
        outputs = labels.clone()
        outputs[::3] = outputs[::3].flip(1)  # a third is wrong
        found = Scored({"expression": outputs}, {"expression": labels})
        low, high = intervals([EXPRESSION], found)["expression"]["WAR"]
        assert low < measured([EXPRESSION], found)["expression"]["WAR"] < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_thirty_labelled_clips_need_no_interval_and_none_has_none():
    assert intervals([VALENCE], scored(30)) == {}
    nothing = Scored({"dimensions": torch.zeros(3, 1)}, {"dimensions": torch.full((3, 1), torch.nan)})
    assert intervals([VALENCE], nothing) == {}
