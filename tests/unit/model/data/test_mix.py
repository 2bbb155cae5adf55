import numpy as np
import pytest
import torch

from model.data.mix import Mix


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(size=4):
    """Clips whose pixels tell their number, and their one-hot targets."""
    clips = torch.arange(size, dtype=torch.float32).view(size, 1, 1, 1, 1).expand(size, 3, 2, 20, 20).clone()
    return clips, {"expression": torch.eye(size)}


def test_mixup_blends_each_clip_and_its_target_with_the_one_from_the_other_end():
    clips, targets = batch()

    mixed, soft = Mix(cutmix=0)(clips, targets, generator())

    share = float(soft["expression"][0, 0])
    assert 0 < share < 1
    assert torch.allclose(soft["expression"], share * torch.eye(4) + (1 - share) * torch.eye(4).flip(0))
    assert torch.allclose(mixed, share * clips + (1 - share) * clips.flip(0))


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_pastes_one_rectangle_and_counts_its_pixels(seed):
    clips, targets = batch()

    mixed, soft = Mix(mixup=0)(clips, targets, generator(seed))

    pasted = mixed[0] == 3
    assert ((mixed[0] == 0) | pasted).all()
    assert (pasted == pasted[:1, :1]).all()  # the same in all colours and frames
    assert float(soft["expression"][0, 3]) == pytest.approx(pasted.float().mean().item(), abs=1e-6)
    rows, columns = pasted[0, 0].nonzero(as_tuple=True)
    if len(rows):
        assert len(rows) == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)


def test_both_take_turns():
    clips, targets = batch(2)
    mixtures = [Mix()(clips, targets, generator(seed))[0] for seed in range(300)]

    blended = sum(bool(((mixed != 0) & (mixed != 1)).any()) for mixed in mixtures)

    assert 110 < blended < 190


def test_the_share_follows_its_distribution():
    clips, targets = batch(2)
    shares = [float(Mix(cutmix=0)(clips, targets, generator(seed))[1]["expression"][0, 0]) for seed in range(400)]

    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * 0.8 + 1)), abs=0.015)  # of Beta(0.8, 0.8)


def test_what_is_absent_stays_absent():
    clips, _ = batch(2)
    targets = {"dimensions": torch.tensor([[0.5, float("nan")], [0.1, 0.2]])}

    _, soft = Mix()(clips, targets, generator())

    assert soft["dimensions"].isnan().tolist() == [[False, True], [False, True]]


def test_nothing_is_mixed_where_nothing_is_asked_for():
    clips, targets = batch()

    mixed, soft = Mix(mixup=0, cutmix=0)(clips, targets, generator())

    assert mixed is clips
    assert soft == targets


def test_the_same_draw_gives_the_same_batch_and_leaves_the_original():
    clips, targets = batch()
    before = clips.clone()

    one, other = (Mix()(clips, targets, generator(5))[0] for _ in range(2))

    assert torch.equal(one, other)
    assert torch.equal(clips, before)
