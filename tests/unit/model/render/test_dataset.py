import csv
import re
import shutil

import numpy as np
import pytest

from model.data.executors import Processes
from model.data.faces import Span
from model.data.media import ClipUnreadable, open_media, sample
from model.data.prepared import read_prepared, read_rows
from model.data.vocabulary import TRAITS
from model.errors import ModelError
from model.render import dataset, labels
from model.render.dataset import RenderJob, RenderSettings, render
from model.render.studio import FRAMES
from tests.unit.model.render.heads import facekit
from tests.videos import shared_yunet


@pytest.fixture
def faces(monkeypatch):
    """What cutting out the face of a clip gives: when it is seen, or what is wrong; by the video's name."""
    found = {}

    def crop_face(video, face, *, size, crop, yunet):
        seen = found.get(video.stem, Span(0.0, FRAMES * 0.08))
        if isinstance(seen, str):
            raise ClipUnreadable(seen)
        shutil.copy(video, face)
        return seen

    monkeypatch.setattr(dataset, "crop_face", crop_face)
    return found


@pytest.fixture
def run(studio, faces, monkeypatch, tmp_path):
    monkeypatch.setattr(dataset, "load_head", lambda _: None)
    monkeypatch.setattr(dataset, "_studio", lambda _: studio)

    def render_(clips=3, seed=5, **more):
        settings = RenderSettings(facekit=tmp_path / "head.npz", yunet=None, seed=seed)
        return render(settings, clips, tmp_path / "out", executor=Processes(1), **more)

    return render_


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def problems(out):
    with (out / "problems.csv").open(newline="") as file:
        return {row["clip"]: row["reason"] for row in csv.DictReader(file)}


def test_a_folder_that_training_takes_is_written(run, out):
    seen = []

    used = run(3, progress=lambda *so_far: seen.append(so_far))

    assert used == 3
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    prepared, rows = read_prepared(out), read_rows(out)
    assert [task.kind for task in prepared.tasks] == ["expression", "dimensions", "personality", "units", "landmarks"]
    assert (prepared.name, prepared.protocol, prepared.parts) == ("rendered", "fixed", ("train", "test"))
    assert (prepared.interval_s, prepared.crop.margin) == (pytest.approx(0.08), 0.05)
    assert [row.id for row in rows[:3]] == [f"000000-{first:02d}" for first in (0, 4, 8)]
    assert [(row.start_s, row.end_s) for row in rows[:3]] == [(0, 0.64), (0.32, 0.96), (0.64, 1.28)]
    assert rows[2].end_s == pytest.approx(FRAMES * 0.08)
    assert {row.subject for row in rows} == {"000000", "000001", "000002"}
    assert all(re.fullmatch(r"skin=[a-z-]+ age=(younger|middle|older)", row.groups) for row in rows)
    assert {row.media for row in rows} == {f"clips/00000{number}.mp4" for number in range(3)}
    assert problems(out) == {}
    for folder in ("videos", "clips"):
        with open_media(out / folder / "000001.mp4", None) as media:
            assert len(sample(media, 0.0, frames=FRAMES, interval_s=0.08)) == FRAMES


def test_rows_have_the_labels_of_their_own_moments(run, out, studio):
    run(3)

    rows = read_rows(out)
    for number in range(3):
        clip = studio.clip(5, number)
        behaviour = clip.behaviour
        apparent = labels.traits(behaviour, 0.08)
        for part in range(3):
            row, moments = rows[3 * number + part], slice(4 * part, 4 * part + 8)
            felt = behaviour.feelings[moments]
            assert row.expression == labels.expression(felt)
            assert (row.valence, row.arousal) == pytest.approx(labels.dimensions(felt), abs=1e-4)
            strengths = [float(value) for value in row.units.split()]
            assert strengths == pytest.approx(labels.units(behaviour, moments), abs=1e-3)
            shape = [float(value) for value in row.landmarks.split()]
            assert shape == pytest.approx(labels.landmarks(clip.landmarks, moments), abs=1e-4)
            assert [getattr(row, name) for name in TRAITS] == pytest.approx(apparent, abs=1e-4)
    assert len({row.units for row in rows}) > 6
    assert len({row.landmarks for row in rows}) == 9


def test_every_tenth_person_is_for_the_test(run, out, monkeypatch, studio):
    one = studio.clip(5, 0)
    monkeypatch.setattr(studio, "clip", lambda *_: one)

    run(20)

    parts = {row.subject: row.part for row in read_rows(out)}
    assert {who for who, part in parts.items() if part == "test"} == {"000009", "000019"}
    assert set(parts.values()) == {"train", "test"}


def test_a_face_that_is_lost_is_a_problem_and_leaves_no_rows(run, out, faces):
    faces |= {"000000": "it shows no face.", "000001": Span(0.0, 0.8), "000003": Span(0.16, 1.28)}

    assert run(4) == 1

    assert {row.subject for row in read_rows(out)} == {"000002"}
    assert problems(out) == {
        "000000": "it shows no face.",
        "000001": "The face is tracked only from 0.00 to 0.80 s.",
        "000003": "The face is tracked only from 0.16 to 1.28 s.",
    }
    assert [path.name for path in (out / "clips").iterdir()] == ["000002.mp4"]


def test_where_no_clip_can_be_used_problems_say_why(run, out, faces):
    faces |= {"000000": "it shows no face.", "000001": "it shows no face."}

    with pytest.raises(ModelError, match=r"None of 2 clips can be used: .*problems\.csv lists"):
        run(2)

    assert list(problems(out)) == ["000000", "000001"]
    assert not (out / "clips.csv").exists()


def test_more_clips_can_be_added_and_none_is_rendered_again(run, out, studio, monkeypatch):
    run(2)
    first = (out / "clips.csv").read_text()
    rendered = []
    really = studio.clip
    monkeypatch.setattr(studio, "clip", lambda seed, number: rendered.append(number) or really(seed, number))

    run(2)
    again = (out / "clips.csv").read_text()
    run(3)

    assert rendered == [2]
    assert again == first
    assert (out / "clips.csv").read_text().startswith(first)


def test_another_seed_needs_another_folder(run):
    run(1)

    with pytest.raises(ModelError, match="was begun with other settings"):
        run(1, seed=6)


def test_a_head_that_cannot_be_read_is_an_error_before_anything_is_made(tmp_path):
    settings = RenderSettings(facekit=tmp_path / "nowhere", yunet=None, seed=0)

    with pytest.raises(ModelError, match="nowhere is missing"):
        render(settings, 2, tmp_path / "out", executor=Processes(1))

    assert not (tmp_path / "out").exists()


def test_a_jobs_id_is_the_clips():
    assert RenderJob(42, RenderSettings(facekit="a", yunet=None, seed=0), "out").id == "000042"


@pytest.mark.usefixtures("_egl")
def test_faces_are_found_in_real_people_in_a_process_of_its_own(tmp_path):
    settings = RenderSettings(facekit=facekit(), yunet=shared_yunet(), seed=2)

    used = render(settings, 2, tmp_path / "out", executor=Processes(2))

    rows = read_rows(tmp_path / "out")
    assert used + len(problems(tmp_path / "out")) == 2
    assert len(rows) == 3 * used > 0
    with open_media(tmp_path / "out" / rows[0].media, None) as media:
        pictures = np.stack(sample(media, 0.0, frames=FRAMES, interval_s=0.08))
    assert pictures.shape == (FRAMES, 112, 112, 3)
    assert pictures.std() > 10
