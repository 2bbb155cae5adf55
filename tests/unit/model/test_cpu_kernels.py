from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from model.cpu_kernels import Linear, linear

WIDTH, OUT = 12, 20


class Operations(TorchDispatchMode):
    """Notes the names of what is computed."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def parameters(*, bias=True):
    return torch.randn(OUT, WIDTH).requires_grad_(), torch.randn(OUT).requires_grad_() if bias else None


def with_gradients(product, tokens, weight, bias):
    """The output and the gradients of tokens, weight and bias, for a gradient that differs at each place."""
    given = [tensor for tensor in (tokens, weight, bias) if tensor is not None]
    out = product(tokens, weight, bias)
    steps = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return out, *torch.autograd.grad(out, given, steps)


def operations(tokens, weight, bias):
    with Operations() as seen:
        linear(tokens, weight, bias)
    return seen.names


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 7, WIDTH), (1, 1, WIDTH), (7, WIDTH), (2, 3, 5, WIDTH)])
def test_output_and_gradients_are_those_of_the_matrix_product(shape, bias):
    tokens = torch.randn(shape).requires_grad_()
    weight, bias = parameters(bias=bias)

    found = with_gradients(linear, tokens, weight, bias)

    torch.testing.assert_close(found, with_gradients(functional.linear, tokens, weight, bias))


def test_tokens_may_lie_anyhow_in_memory():
    tokens = torch.randn(WIDTH, 14, 3).requires_grad_().permute(2, 1, 0)[:, ::2]
    weight, bias = parameters()

    found = with_gradients(linear, tokens, weight, bias)

    torch.testing.assert_close(found, with_gradients(functional.linear, tokens, weight, bias))


def test_the_layer_holds_what_pytorchs_holds_and_gives_the_same():
    layer, plain = Linear(WIDTH, OUT), torch.nn.Linear(WIDTH, OUT)
    plain.load_state_dict(layer.state_dict())
    tokens = torch.randn(3, 7, WIDTH)

    torch.testing.assert_close(layer(tokens), plain(tokens))


def test_training_in_float32_on_a_cpu_takes_the_convolution():
    names = operations(torch.randn(3, 7, WIDTH), *parameters())

    assert "convolution" in names
    assert not {"addmm", "mm", "bmm", "linear"} & set(names)


@pytest.mark.parametrize(
    ("where", "shape", "dtype"),
    [
        (torch.no_grad, (3, 7, WIDTH), torch.float32),
        (torch.inference_mode, (3, 7, WIDTH), torch.float32),
        (lambda: torch.autocast("cpu", torch.bfloat16), (3, 7, WIDTH), torch.float32),
        (nullcontext, (3, 7, WIDTH), torch.bfloat16),
        (nullcontext, (7, WIDTH), torch.float32),
    ],
    ids=["no_grad", "inference_mode", "autocast", "bfloat16", "no batch"],
)
def test_elsewhere_it_is_the_plain_product_to_the_last_bit(where, shape, dtype):
    tokens = torch.randn(shape, dtype=dtype)
    weight, bias = (parameter.to(dtype) for parameter in parameters())

    with where():
        found, expected = linear(tokens, weight, bias), functional.linear(tokens, weight, bias)
        names = operations(tokens, weight, bias)

    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
    assert not [name for name in names if "conv" in name]
