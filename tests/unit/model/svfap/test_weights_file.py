import argparse
import pickle

import pytest
import torch

from model.errors import ModelError
from model.svfap.weights_file import read_weights


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


@pytest.mark.parametrize("key", ["model", "module"])
def test_weights_lie_under_model_or_module_beside_the_options_of_the_run(path, key):
    options = argparse.Namespace(lr=1e-3, input_size=160)
    torch.save({key: {"a": torch.ones(2).half(), "steps": 3}, "epoch": 99, "args": options}, path)

    weights = read_weights(path)

    assert {name: (weight.tolist(), weight.dtype) for name, weight in weights.items()} == {"a": ([1, 1], torch.float32)}


@pytest.mark.parametrize("where", ["weights", "options", "alone"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_checkpoint_is_not_run(path, tmp_path, where, zipped):
    trap = Malicious(tmp_path / "trap")
    held = {
        "weights": {"model": {"a": torch.ones(2), "b": trap}},
        "options": {"model": {"a": torch.ones(2)}, "args": argparse.Namespace(lr=trap)},
        "alone": trap,
    }[where]
    torch.save(held, path, _use_new_zipfile_serialization=zipped)

    with pytest.raises(ModelError, match=rf"{path.name} was not loaded: it holds [_\w]*io\.open"):
        read_weights(path)

    assert not (tmp_path / "trap").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_plain_pickle_is_not_run_either(path, tmp_path):
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "trap")))

    with pytest.raises(ModelError, match="was not loaded"):
        read_weights(path)

    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(path, content):
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"checkpoint\.pth is no checkpoint of PyTorch's"):
        read_weights(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(path, tmp_path):
    with pytest.raises(ModelError, match=r"checkpoint\.pth cannot be read: No such file"):
        read_weights(path)
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        read_weights(tmp_path)


@pytest.mark.parametrize("held", [[1], torch.ones(2), {}, {"model": {"a": 1}}, {"epoch": 3}])
def test_a_file_without_weights_is_refused(path, held):
    torch.save(held, path)

    with pytest.raises(ModelError, match='expected a state dict under the key "model" or "module"'):
        read_weights(path)
