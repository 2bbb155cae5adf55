"""Real videos with bytes flipped, cut out, doubled and swapped: an answer or a documented refusal, never a defect."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from mien.contract.errors import BY_CODE, BadMedia
from tests.attack.bad_files import tiny, tiny_face
from tests.attack.conftest import check_problem

SEED = 20
FILES = 200
AT_ONCE = 4


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return the content with one to eight kinds of damage."""
    data = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 3, 8])):
        kind = dice.choice(["flip", "flip", "set", "cut", "drop", "double", "swap", "zero"])
        at = dice.randrange(len(data))
        length = dice.choice([1, 2, 4, 16, 200])
        if kind == "flip":
            data[at] ^= 1 << dice.randrange(8)
        elif kind == "set":
            # Sizes and counts at their extremes.
            data[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\x80\x00\x00\x00"])
        elif kind == "cut":
            del data[max(at, 20) :]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "swap":
            other = dice.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            data[at : at + length] = bytes(len(data[at : at + length]))
        if len(data) < 20:
            data += bytes(20)
    return bytes(data)


def test_damaged_videos_end_with_an_answer_or_a_documented_refusal(http):
    dice = random.Random(SEED)
    sources = [tiny("mp4"), tiny("webm"), tiny_face()]
    files = [mutated(sources[number % len(sources)], dice) for number in range(FILES)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda content: http.post("/analyze", content=content), files))
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json()["state"] == "succeeded"
        elif answer.status_code == 415:
            check_problem(answer, 415, "unsupported_container")
        else:
            code = answer.json()["code"]
            assert issubclass(BY_CODE[code], BadMedia), answer.text
            check_problem(answer, 422, code)
    # The damage is neither always deadly nor always harmless.
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] > FILES / 10
    assert statuses[422] > FILES / 10
