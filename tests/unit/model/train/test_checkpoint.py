import pickle

import pytest
import torch

from model.errors import ModelError
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.encoder import Encoder
from model.tpsbt.zoo import Size
from model.train import checkpoint


@pytest.fixture
def state(micro, tasks):
    return {"kind": "finetuning", "size": micro._asdict(), "about": {}, "model": AffectModel(micro, tasks).state_dict()}


def test_what_was_saved_is_loaded_and_nothing_lies_beside_it(state, micro, tmp_path):
    checkpoint.save(tmp_path / "run" / "last.pt", state)
    checkpoint.save(tmp_path / "run" / "last.pt", {**state, "step": 7})

    found = checkpoint.load(tmp_path / "run" / "last.pt", "finetuning")

    assert found["step"] == 7
    assert checkpoint.size_of(found) == micro
    assert all(found["model"][name].equal(weight) for name, weight in state["model"].items())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["last.pt"]


def test_a_save_that_fails_leaves_the_earlier_checkpoint(state, tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, state)
    before = path.read_bytes()

    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        checkpoint.save(path, {**state, "step": lambda: 0})

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def test_pickled_code_never_runs(tmp_path):
    torch.save({"format": 1, "kind": Evil()}, tmp_path / "evil.pt")

    with pytest.raises(ModelError, match=r"evil\.pt is no checkpoint that mien-model wrote"):
        checkpoint.load(tmp_path / "evil.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_another_file_is_refused_with_its_name(content, tmp_path):
    (tmp_path / "other.pt").write_bytes(content)

    with pytest.raises(ModelError, match=r"other\.pt is no checkpoint"):
        checkpoint.load(tmp_path / "other.pt")


@pytest.mark.parametrize("lacking", [["kind"], ["size"], ["about"], ["kind", "size", "model", "about"]])
def test_a_file_that_only_says_the_same_format_is_refused(state, lacking, tmp_path):
    checkpoint.save(tmp_path / "other.pt", {key: value for key, value in state.items() if key not in lacking})

    with pytest.raises(ModelError, match=r"other\.pt is no checkpoint that mien-model wrote"):
        checkpoint.load(tmp_path / "other.pt", "finetuning")


def test_a_missing_file_another_kind_and_a_published_one_are_refused(state, tmp_path):
    checkpoint.save(tmp_path / "last.pt", state)
    torch.save({"model": {}}, tmp_path / "published.pth")

    with pytest.raises(ModelError, match=r"none\.pt cannot be read: No such file"):
        checkpoint.load(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="is a checkpoint of finetuning; pretraining was expected"):
        checkpoint.load(tmp_path / "last.pt", "pretraining")
    with pytest.raises(ModelError, match="goes through `import` first"):
        checkpoint.load(tmp_path / "published.pth")


def test_an_encoder_starts_from_any_checkpoint_with_one(state, micro, tmp_path):
    encoder = Encoder(micro)

    checkpoint.start_encoder(encoder, state, tmp_path)

    for name, weight in encoder.state_dict().items():
        assert weight.equal(state["model"][f"encoder.{name}"])


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (Size(64, 2, (1, 2, 2)), r"attn\.proj\.bias is \(32,\) there and \(64,\) here"),
        (Size(32, 2, (2, 2, 2)), r"it lacks stages\.0\.blocks\.1"),
        (Size(32, 2, (1, 2, 1)), r"there is no stages\.2\.blocks\.1"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_with_the_first_thing_that_differs(state, size, said, tmp_path):
    with pytest.raises(ModelError, match=f"checkpoint of another model.*{said}"):
        checkpoint.start_encoder(Encoder(size), state, tmp_path / "last.pt")
