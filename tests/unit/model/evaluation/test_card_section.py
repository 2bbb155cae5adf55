from model.evaluation.card_section import card_section
from model.evaluation.report import Confusion, EvaluationReport, PartScores


def test_each_report_has_its_warnings_scores_and_confusion_matrix():
    labels = ("happiness", "sadness", "neutral")
    faces = EvaluationReport(
        data="faces",
        views=4,
        warnings=("No face in 3 of 13 clips.",),
        parts=(PartScores(part="validation", model="micro", clips=10, scores={"expression": {"UAR": 0.625}}),),
        pooled={"expression": {"UAR": 0.625}},
        confusion=Confusion(labels=labels, counts=((3, 1, 0), (2, 4, 0), (0, 0, 0))),
    )
    heads = faces.model_copy(update={"data": "heads", "pooled": {"dimensions": {"CCC": 0.75}}, "confusion": None})

    section = card_section([faces, heads])

    assert section.index("### faces, part validation (10 clips)") < section.index("### heads, part validation")
    assert "No face in 3 of 13 clips." in section
    assert section.count("UAR is the mean of the labels' recalls") == 1
    assert section.count("4 views of each clip") == 2
    assert "| UAR | 0.6250 |" in section
    assert "| CCC | 0.7500 |" in section
    assert "| happiness | 0.75 | 0.25 | 0.00 | 4 |" in section
    assert "| neutral |  |  |  | 0 |" in section
