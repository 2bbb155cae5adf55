import torch
from torch.nn.functional import gelu, layer_norm

from model.tpsbt.blocks import Block, CrossBlock, Mlp, StochasticDepth

WIDTH, HEADS = 12, 3


def shaken(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


def normalised(x, norm):
    return layer_norm(x, (WIDTH,), norm.weight, norm.bias, eps=1e-6)


def test_the_mlp_is_two_linear_layers_with_an_exact_gelu_between():
    mlp = shaken(Mlp(WIDTH, 20, 5))
    x = torch.randn(3, WIDTH)

    hidden = x @ mlp.fc1.weight.T + mlp.fc1.bias
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))

    torch.testing.assert_close(mlp(x), hidden @ mlp.fc2.weight.T + mlp.fc2.bias)
    torch.testing.assert_close(gelu(torch.tensor(1.0)), torch.tensor(0.8413447))


def test_a_block_adds_attention_and_then_the_mlp_of_the_normalised_tokens():
    block = shaken(Block(WIDTH, HEADS, drop=0.0))
    x = torch.randn(2, 5, WIDTH)

    y = x + block.attn(normalised(x, block.norm1))
    y = y + block.mlp(normalised(y, block.norm2))

    torch.testing.assert_close(block(x), y)
    assert block.mlp.fc1.out_features == 4 * WIDTH


def test_a_cross_block_looks_at_the_context_first_and_normalises_each_side_by_itself():
    block = shaken(CrossBlock(WIDTH, HEADS, drop=0.0))
    x, context = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)

    y = x + block.cross_attn(normalised(x, block.cross_norm1), normalised(context, block.cross_norm2))
    y = y + block.attn(normalised(y, block.norm1))
    y = y + block.mlp(normalised(y, block.norm2))

    torch.testing.assert_close(block(x, context), y)


def test_stochastic_depth_leaves_a_branch_as_it_is_in_evaluation():
    branch = torch.randn(4, 3, 2)

    assert torch.equal(StochasticDepth(0.9).eval()(branch), branch)


def test_stochastic_depth_drops_whole_clips_in_training_and_keeps_the_mean():
    kept = StochasticDepth(0.25).train()(torch.ones(4000, 3, 2))

    by_clip = kept.flatten(1)
    assert torch.equal(by_clip.amin(1), by_clip.amax(1))
    assert set(by_clip[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(kept.mean().item() - 1) < 0.05
