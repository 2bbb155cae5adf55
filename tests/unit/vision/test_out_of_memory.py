import errno
import subprocess
import sys

import cv2
import pytest

from service.vision.faces import MODEL
from service.vision.out_of_memory import is_out_of_memory


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.ENOMEM, "no memory"), cv2.error("std::bad_alloc"), RuntimeError("std::bad_alloc")],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_errors_of_every_library_are_recognised(error):
    wrapped = SystemError("returned a result with an exception set")
    wrapped.__cause__ = error

    assert is_out_of_memory(error)
    assert is_out_of_memory(wrapped)
    assert not is_out_of_memory(ValueError("bad pixels"))


_SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from mien.contract.errors import DecodeTooCostly
from service.vision.out_of_memory import translate_out_of_memory
from service.vision.yunet import YuNet

yunet = YuNet(Path(sys.argv[1]))
shown = np.zeros((3200, 3200, 3), np.uint8)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]), -1))
try:
    with translate_out_of_memory():
        yunet(shown)
except DecodeTooCostly:
    print("too costly")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
@pytest.mark.parametrize("left", [1 << 20, 60 << 20, 150 << 20, 300 << 20])
def test_a_detector_that_runs_out_of_memory_makes_a_video_too_costly(left):
    command = [sys.executable, "-c", _SHORT_OF_MEMORY, str(MODEL), str(left)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.stdout == "too costly\n", ended.stderr
