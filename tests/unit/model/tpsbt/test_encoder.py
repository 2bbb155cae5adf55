import pytest
import torch

from model.tpsbt.encoder import Encoder, last_tokens
from model.tpsbt.zoo import Size


def test_three_stages_halve_time_twice_and_keep_every_place(micro):
    clips = torch.randn(2, 3, 16, 32, 48)

    shapes = [tuple(tokens.shape) for tokens in Encoder(micro)(clips)]

    assert shapes == [(2, 8, 6, 32), (2, 4, 6, 32), (2, 2, 6, 32)]


def test_frames_that_cannot_be_halved_twice_are_refused(micro):
    with pytest.raises(ValueError, match="time steps"):
        Encoder(micro)(torch.zeros(1, 3, 12, 32, 32))


@pytest.mark.parametrize("frames", [2, 4])
def test_a_still_goes_the_same_way_and_ends_in_one_time_step(frames, micro):
    *_, last = Encoder(micro)(torch.randn(2, 3, frames, 32, 48))

    assert last.shape == (2, 1, 6, 32)
    assert last_tokens(micro, frames, 32) == last_tokens(micro, 8, 32) == 4
    assert last_tokens(micro, 16, 32) == 8


def test_embedded_tokens_are_encoded_wherever_they_come_from(micro):
    encoder = Encoder(micro).eval()
    grid = encoder.tubelet_embedding(torch.randn(1, 3, 8, 48, 48))
    visible = torch.tensor([7, 2, 5])

    apart = encoder.encode(grid[:, :, visible])
    in_order = encoder.encode(grid[:, :, visible.sort().values])

    # Places have no order of their own: what tells them apart is in their tokens.
    for one, other in zip(apart, in_order, strict=True):
        torch.testing.assert_close(one, other[:, :, [2, 0, 1]])


def test_stochastic_depth_rises_linearly_over_all_blocks():
    encoder = Encoder(Size(width=8, heads=2, depths=(2, 2, 2)), stochastic_depth=0.1)

    rates = [block.drop.rate for stage in encoder.stages for block in stage.blocks]

    assert rates == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1])


def test_linear_layers_start_xavier_uniform_with_zero_biases():
    encoder = Encoder(Size(width=128, heads=2, depths=(1, 1, 1)))

    weight = encoder.stages[0].blocks[0].mlp.fc1.weight
    bound = (6 / (128 + 512)) ** 0.5
    assert 0.99 * bound < weight.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not any(
        layer.bias.any() for layer in (encoder.stages[0].blocks[0].mlp.fc1, encoder.stages[2].blocks[0].attn.proj)
    )
