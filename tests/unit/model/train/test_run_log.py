import json

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.train.run_log import RunLog


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_for_each_note_and_a_curve_for_each_number(tmp_path):
    journal = RunLog(tmp_path, 0)
    journal.note(5, 0.5, {"loss": 2.0, "rate": 0.1})
    journal.note(10, 1.0, {"validation": {"score": 0.5, "expression UAR": 0.5}})
    journal.close()

    assert lines(tmp_path) == [
        {"step": 5, "epoch": 0.5, "loss": 2.0, "rate": 0.1},
        {"step": 10, "epoch": 1.0, "validation": {"score": 0.5, "expression UAR": 0.5}},
    ]
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert set(board.Tags()["scalars"]) == {"loss", "rate", "validation/score", "validation/expression_UAR"}


def test_what_was_noted_after_the_step_that_is_gone_on_from_is_struck_out(tmp_path):
    journal = RunLog(tmp_path, 0)
    for step in (1, 2, 3):
        journal.note(step, step, {"loss": float(step)})
    journal.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # the process was killed here

    journal = RunLog(tmp_path, 2)
    journal.note(3, 3, {"loss": 7.0})
    journal.close()

    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [(1, 1.0), (2, 2.0), (3, 7.0)]
