import argparse
import pathlib
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
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


WEIGHTS = {"blocks.0.norm1.weight": torch.ones(2), "head.weight": torch.zeros(3, 2)}


def prefixed(prefix):
    return {prefix + name: weight for name, weight in WEIGHTS.items()}


OPTIONS = {
    "numbers": argparse.Namespace(
        lr=np.float64(1e-3), epochs=np.int64(100), smoothing=np.float32(0.1), mix=np.bool_(1)
    ),
    "arrays": argparse.Namespace(mean=np.array([0.485, 0.456]), device=torch.device("cuda:0"), dtype=torch.float16),
    "paths": argparse.Namespace(out=pathlib.PosixPath("/runs/dfew"), data=pathlib.PureWindowsPath("C:/dfew")),
    "containers": argparse.Namespace(steps=range(3), cut=slice(2), names={"a"}, fixed=frozenset([1])),
    "defaults": defaultdict(dict, {0: defaultdict(list, {"step": torch.tensor(1.0)})}),
}
DEEPSPEED = {
    "buffer_names": [],
    "optimizer": None,
    "param_shapes": [OrderedDict((name, weight.shape) for name, weight in WEIGHTS.items())],
    "sparse_tensor_module_names": set(),
    "skipped_steps": 0,
    "ds_config": {"train_batch_size": 64, "fp16": {"enabled": True}},
    "ds_version": "0.5.8",
}


@pytest.mark.parametrize(
    "held",
    [
        {"model": WEIGHTS},
        WEIGHTS,
        OrderedDict(WEIGHTS),
        {"model": WEIGHTS, "model_ema": {name: weight + 1 for name, weight in WEIGHTS.items()}},
        {"model_ema": WEIGHTS, "epoch": 3},
        {"module": WEIGHTS, **DEEPSPEED},  # mp_rank_00_model_states.pt
        {"state_dict": prefixed("model.")},
        {"state_dict": {"model": prefixed("module.")}},
        {"model_state_dict": prefixed("module._orig_mod.")},
        {"model": {name: torch.nn.Parameter(weight.half()) for name, weight in WEIGHTS.items()}},
        {"model": {name: weight.bfloat16() for name, weight in WEIGHTS.items()} | {"steps": 3}},
        *({"model": WEIGHTS, "epoch": np.int64(99), "args": options} for options in OPTIONS.values()),
    ],
    ids=[
        *("model", "alone", "ordered", "beside an average", "average", "DeepSpeed", "Lightning", "nested", "compiled"),
        *("fp16", "bf16", *OPTIONS),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_weights_are_read_from_whatever_training_code_puts_around_them(path, held, zipped):
    torch.save(held, path, _use_new_zipfile_serialization=zipped)

    weights = read_weights(path)

    assert {name: weight.tolist() for name, weight in weights.items()} == {
        name: weight.tolist() for name, weight in WEIGHTS.items()
    }
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


@pytest.mark.parametrize("core", ["core", "_core"])
def test_numbers_are_read_as_numpy_1_and_2_write_them(path, core):
    torch.save({"model": WEIGHTS, "lr": np.float64(0.1)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"cnumpy._core.multiarray" in content
    path.write_bytes(content.replace(b"cnumpy._core.multiarray", b"cnumpy.%s.multiarray" % core.encode()))

    assert read_weights(path).keys() == WEIGHTS.keys()


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

    with pytest.raises(ModelError, match=rf"{path.name} was not loaded: it holds [_\w]*io\.open.* weights_only=False"):
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

    with pytest.raises(ModelError, match='expected a state dict, alone or under one of the keys "model"'):
        read_weights(path)
