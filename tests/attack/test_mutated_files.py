"""Real videos with bytes flipped, cut out, doubled and swapped: a result or a documented error, never a defect."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from mien.contract.errors import BY_CODE, BadMedia
from tests.attack.bad_files import tiny, tiny_face
from tests.attack.conftest import check_problem
from tests.attack.mutate import mutated

SEED = 20
FILES = 200
AT_ONCE = 4


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
