import json

import cv2
import numpy as np
import pytest

from model.evaluation.report import Confusion, EvaluationReport, PartScores, markdown, write_report

EXPRESSION = {"UAR": 0.5, "WAR": 0.61234}


@pytest.fixture
def report():
    return EvaluationReport(
        data="crema-d",
        views=4,
        warnings=("One was trained on the part 1.",),
        parts=(
            PartScores(part="1", model="runs/1", clips=7, scores={"expression": EXPRESSION}),
            PartScores(
                part="2", model="runs/2", clips=9, scores={"expression": {"UAR": 0.25}, "dimensions": {"CCC": 0.1}}
            ),
        ),
        pooled={"expression": EXPRESSION, "dimensions": {"CCC": 0.1}},
        confusion=Confusion(labels=("happiness", "sadness"), counts=((30, 0), (2, 5))),
    )


def test_a_report_is_written_as_data_as_text_and_as_a_picture(report, tmp_path):
    write_report(report, tmp_path / "new" / "report")

    folder = tmp_path / "new" / "report"
    assert EvaluationReport.model_validate_json((folder / "report.json").read_text()) == report
    assert json.loads((folder / "report.json").read_text())["pooled"]["expression"]["UAR"] == 0.5
    assert (folder / "report.md").read_text() == markdown(report)
    picture = cv2.imread(str(folder / "confusion.png"))
    assert min(picture.shape[:2]) > 300


def test_the_picture_is_darkest_where_most_clips_of_a_row_are(report, tmp_path):
    write_report(report, tmp_path)

    picture = cv2.imread(str(tmp_path / "confusion.png")).astype(int)  # (H, W, BGR)
    rows, columns = np.nonzero(picture[:, :, 0] - picture[:, :, 2] > 60)
    dark = set(zip((rows * 2 // len(picture)).tolist(), (columns * 2 // picture.shape[1]).tolist(), strict=True))
    assert (0, 0) in dark  # happiness, taken for happiness: all of its row
    assert not (picture[:, :, 0] - picture[:, :, 2] > 60)[: len(picture) // 4, -picture.shape[1] // 6 :].any()


def test_the_text_has_a_table_for_each_task_and_a_column_for_each_part(report):
    lines = markdown(report).splitlines()

    assert lines[0] == "# Evaluation on crema-d"
    assert "- part 2: 9 clips, runs/2" in lines
    assert "One was trained on the part 1." in lines
    assert "| expression | part 1 | part 2 | pooled |" in lines
    assert "| UAR | 0.5000 | 0.2500 | 0.5000 |" in lines
    assert "| WAR | 0.6123 |  | 0.6123 |" in lines
    assert "| CCC |  | 0.1000 | 0.1000 |" in lines


def test_without_expression_there_is_no_picture(report, tmp_path):
    write_report(report.model_copy(update={"confusion": None}), tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md"}
