import subprocess
import sys

import pytest

# What a step does to memory, many times over; prints the page faults of it.
STEPS = """
import resource
import torch
from model.train.memory import keep_memory
if {keep}:
    keep_memory()
def step():
    return torch.ones(10 << 20) * 2
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep):
    code = STEPS.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is for Linux's C library")
def test_memory_that_was_freed_is_used_again():
    plain, kept = faults(keep=False), faults(keep=True)

    assert plain > 1000  # else there is nothing to mend, and the module can go
    assert kept < plain / 2  # the system may take some back of its own accord
