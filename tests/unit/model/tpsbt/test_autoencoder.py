import numpy as np
import pytest
import torch

from model.tpsbt.autoencoder import DecoderSize, Fusion, MaskedAutoencoder, reconstruction_loss, target
from model.tpsbt.masking import TubeMask, draw_mask
from model.tpsbt.normalise import normalise
from model.tpsbt.tubelets import cut, join, positions

TIMES, ROWS, COLUMNS = 4, 3, 4
PLACES = ROWS * COLUMNS


@pytest.fixture
def autoencoder(micro):
    return MaskedAutoencoder(micro, DecoderSize(width=24, heads=2, depth=2)).eval()


@pytest.fixture
def pixels():
    return torch.rand(2, 3, 2 * TIMES, 16 * ROWS, 16 * COLUMNS)


@pytest.fixture
def mask():
    return draw_mask(2, PLACES, torch.Generator().manual_seed(0))


def other_where_hidden(pixels, mask):
    """The same clips with other pixels in every hidden tubelet."""
    tubelets = cut(pixels.clone())
    for clip, hidden in enumerate(mask.hidden):
        tubelets[clip, :, hidden] = torch.rand(TIMES, len(hidden), 1536)
    return join(tubelets, ROWS)


def test_hidden_pixels_change_nothing_that_the_encoder_gives(autoencoder, pixels, mask):
    other = other_where_hidden(pixels, mask)
    assert (other - pixels).abs().max() > 0.5

    ours = autoencoder.encode_visible(cut(pixels), mask)
    theirs = autoencoder.encode_visible(cut(other), mask)

    for one, two in zip(ours, theirs, strict=True):
        assert (one - two).abs().max().item() == 0


def test_hidden_pixels_change_no_prediction_and_visible_ones_change_all(autoencoder, pixels, mask):
    predicted = autoencoder(cut(pixels), mask)
    hidden_changed = autoencoder(cut(other_where_hidden(pixels, mask)), mask)
    tubelets = cut(pixels)
    tubelets[0, 0, mask.visible[0, 0]] = 0
    visible_changed = autoencoder(tubelets, mask)

    assert (predicted - hidden_changed).abs().max().item() == 0
    assert (predicted[0] - visible_changed[0]).abs().amax(dim=-1).min() > 0  # every hidden tubelet of that clip
    assert (predicted[1] - visible_changed[1]).abs().max().item() == 0


def test_all_pixels_of_visible_places_reach_the_encoder(autoencoder, pixels, mask):
    tubelets = cut(pixels).requires_grad_()

    autoencoder.encode_visible(tubelets, mask)[2].square().sum().backward()

    reached = (tubelets.grad.abs().amax(dim=-1) > 0).sum(dim=(1, 2))
    assert reached.tolist() == [TIMES * mask.visible.shape[1]] * 2


def test_visible_tubelets_are_embedded_as_whole_clips_are(autoencoder, pixels, mask):
    encoder = autoencoder.encoder
    grid = encoder.tubelet_embedding(normalise(pixels))
    expected = encoder.encode(torch.stack([grid[clip][:, mask.visible[clip]] for clip in range(2)]))

    for ours, theirs in zip(autoencoder.encode_visible(cut(pixels), mask), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_fused_token_comes_from_its_own_time_and_place():
    fusion = Fusion(6, 4)
    stages = tuple(torch.randn(2, times, 5, 6) for times in (8, 4, 2))

    fused = fusion(stages)

    for b, t, p in [(0, 0, 0), (1, 3, 2), (0, 5, 4), (1, 7, 1)]:
        sum_ = stages[0][b, t, p] + stages[1][b, t // 2, p] + stages[2][b, t // 4, p]
        torch.testing.assert_close(fused[b, t, p], fusion.proj(fusion.norm(sum_)))


def test_the_decoders_place_is_known_by_its_position_only(autoencoder, pixels, mask):
    stages = autoencoder.encode_visible(cut(pixels), mask)
    decoder = autoencoder.decoder
    table = positions(TIMES * PLACES, 24).view(TIMES, PLACES, 24)
    known = autoencoder.fusion(stages)[0] + table[:, mask.visible[0]]
    unknown = decoder.mask_token + table[:, mask.hidden[0]]
    tokens = torch.cat([known.reshape(1, -1, 24), unknown.reshape(1, -1, 24)], dim=1)
    for block in decoder.blocks:
        tokens = block(tokens)
    hidden = mask.hidden.shape[1]
    expected = decoder.head(decoder.norm(tokens))[0, -TIMES * hidden :].view(TIMES, hidden, 1536)

    torch.testing.assert_close(autoencoder(cut(pixels), mask)[0], expected, atol=1e-5, rtol=1e-4)


def test_the_target_is_the_hidden_tubelet_normalised_by_channel(pixels, mask):
    expected = target(cut(pixels), mask)

    assert expected.shape == (2, TIMES, mask.hidden.shape[1], 1536)
    for clip, time, at in [(0, 0, 0), (1, 3, 2), (0, 2, 8)]:
        row, column = divmod(int(mask.hidden[clip, at]), COLUMNS)
        tubelet = pixels[
            clip, :, 2 * time : 2 * time + 2, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16
        ].numpy()
        values = np.empty((2, 16, 16, 3))
        for channel in range(3):
            plane = tubelet[channel].astype(np.float64)
            mean = plane.sum() / 512
            std = np.sqrt(((plane - mean) ** 2).sum() / 511)
            values[..., channel] = (plane - mean) / (std + 1e-6)
        np.testing.assert_allclose(expected[clip, time, at].numpy(), values.ravel(), atol=1e-4)


def test_a_tubelet_of_one_colour_has_the_target_zero():
    mask = TubeMask(torch.tensor([[0]]), torch.tensor([[1]]))

    assert not target(torch.full((1, 2, 2, 1536), 0.5), mask).any()


def test_the_loss_is_the_mean_squared_error():
    predicted, expected = torch.randn(2, 4, 3, 1536), torch.randn(2, 4, 3, 1536)

    written_out = ((predicted.double() - expected.double()) ** 2).sum() / predicted.numel()

    assert reconstruction_loss(predicted, expected).item() == pytest.approx(written_out.item(), rel=1e-5)


def test_the_fusions_linear_layer_has_no_bias_and_the_start_is_xavier(micro):
    autoencoder = MaskedAutoencoder(micro, DecoderSize(width=256, heads=4, depth=1))

    assert autoencoder.fusion.proj.bias is None
    weight = autoencoder.decoder.blocks[0].mlp.fc1.weight
    bound = (6 / (256 + 1024)) ** 0.5
    assert 0.99 * bound < weight.abs().max().item() <= bound
    assert not autoencoder.decoder.head.bias.any()
    assert autoencoder.decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("size", ["base", "small", "tiny"])
def test_every_encoder_has_a_decoder_that_its_heads_divide(size):
    from model.tpsbt.autoencoder import DECODERS
    from model.tpsbt.zoo import ZOO

    assert DECODERS.keys() == ZOO.keys()
    assert DECODERS[size].width % DECODERS[size].heads == 0
