import pytest

from model.errors import ModelError
from model.train.plan import Plan, PlannedBatches


def planned(**changes):
    told = {
        "clips": 26,
        "batch": 8,
        "batch_on_device": 2,
        "processes": 2,
        "epochs": 3,
        "warmup_epochs": 1.5,
        "seed": 5,
    }
    return Plan(**{**told, **changes})


def test_a_run_in_numbers():
    plan = planned()

    assert (plan.steps_per_epoch, plan.steps, plan.warmup, plan.accumulated) == (3, 9, 4, 2)


def test_an_epoch_has_each_clip_once_at_most_over_all_processes():
    plan = planned()
    for epoch in range(3):
        batches = [
            b for step in range(3 * epoch, 3 * epoch + 3) for process in (0, 1) for b in plan.batches(step, process)
        ]

        assert all(len(batch) == 2 for batch in batches)
        keys = [key for batch in batches for key in batch]
        assert {e for e, _ in keys} == {epoch}
        assert len({clip for _, clip in keys}) == len(keys) == 24


def test_each_epoch_and_each_seed_has_its_own_order():
    orders = [
        [planned(seed=seed).batches(step, 0) for step in steps]
        for seed, steps in ((5, (0, 1)), (5, (3, 4)), (6, (0, 1)))
    ]
    clips = [[[clip for _, clip in batch] for step in order for batch in step] for order in orders]

    assert clips[0] != clips[1]
    assert clips[0] != clips[2]


def test_batches_go_on_at_any_step():
    plan = planned(processes=1, batch_on_device=4)

    whole, rest = list(PlannedBatches(plan, 0, 0)), list(PlannedBatches(plan, 0, 4))

    assert len(whole) == 9 * 2
    assert rest == whole[8:]


def test_the_devices_share_of_a_step_does_not_change_what_the_step_takes():
    one, four = planned(processes=1, batch_on_device=8), planned(processes=2, batch_on_device=2)

    def taken(plan):
        return {key for process in range(plan.processes) for batch in plan.batches(4, process) for key in batch}

    assert taken(one) == taken(four)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch": 10}, "batch = 10 must be a multiple of batch_on_device × processes, 2 × 2 = 4"),
        ({"clips": 7}, "has 7 clips, fewer than one step: lower the key batch = 8"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ModelError, match=said.replace("(", r"\(")):
        planned(**changes)
