import pytest
import torch

from model.tpsbt.attention import CrossAttention, SelfAttention, attend

WIDTH, HEADS = 12, 3


def literally(queries, keys, values):
    """Softmax of the scaled dot products, one query of one head after another."""
    mixed = torch.zeros_like(queries)
    each = WIDTH // HEADS
    for b in range(queries.shape[0]):
        for h in range(HEADS):
            own = slice(h * each, (h + 1) * each)
            for n in range(queries.shape[1]):
                scores = torch.stack([queries[b, n, own] @ key for key in keys[b, :, own]]) / each**0.5
                shares = scores.exp() / scores.exp().sum()
                mixed[b, n, own] = sum(share * value for share, value in zip(shares, values[b, :, own], strict=True))
    return mixed


def with_random_biases(attention):
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return attention


def test_each_head_mixes_values_by_the_softmax_of_scaled_products():
    queries, keys, values = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH), torch.randn(2, 7, WIDTH)

    mixed = attend(queries, keys, values, HEADS)

    torch.testing.assert_close(mixed, literally(queries, keys, values))


def test_self_attention_has_biases_on_queries_and_values_and_none_on_keys():
    attention = with_random_biases(SelfAttention(WIDTH, HEADS))
    x = torch.randn(2, 5, WIDTH)
    q, k, v = attention.qkv.weight.view(3, WIDTH, WIDTH)

    mixed = literally(x @ q.T + attention.q_bias, x @ k.T, x @ v.T + attention.v_bias)

    torch.testing.assert_close(attention(x), mixed @ attention.proj.weight.T + attention.proj.bias)


def test_cross_attention_takes_queries_from_the_tokens_and_the_rest_from_the_context():
    attention = with_random_biases(CrossAttention(WIDTH, HEADS))
    tokens, context = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)
    k, v = attention.kv.weight.view(2, WIDTH, WIDTH)

    mixed = literally(tokens @ attention.q.weight.T + attention.q_bias, context @ k.T, context @ v.T + attention.v_bias)

    torch.testing.assert_close(attention(tokens, context), mixed @ attention.proj.weight.T + attention.proj.bias)


@pytest.mark.parametrize("kind", [SelfAttention, CrossAttention])
def test_only_queries_values_and_the_projection_have_biases(kind):
    biases = {name for name, parameter in kind(WIDTH, HEADS).named_parameters() if parameter.ndim == 1}

    assert biases == {"q_bias", "v_bias", "proj.bias"}


def test_bfloat16_on_a_cpu_attends_as_float32_does():
    queries, keys, values = torch.randn(2, 7, 12), torch.randn(2, 5, 12), torch.randn(2, 5, 12)

    rough = attend(queries.bfloat16(), keys.bfloat16(), values.bfloat16(), heads=3)

    torch.testing.assert_close(rough.float(), attend(queries, keys, values, heads=3), atol=0.03, rtol=0.03)
