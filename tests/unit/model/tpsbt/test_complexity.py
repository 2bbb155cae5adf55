import pytest

from model.tpsbt.complexity import complexity
from model.tpsbt.zoo import ZOO


# Counted on the published code with fvcore, which counts the layer norms too: hence a little more.
@pytest.mark.parametrize(("name", "parameters", "gmacs"), [("base", 77.6e6, 43.6), ("small", 43.9e6, 26.2)])
def test_the_papers_sizes_cost_what_the_published_ones_do(name, parameters, gmacs):
    found = complexity(ZOO[name])

    assert found.parameters == pytest.approx(parameters, rel=1e-3)
    assert found.macs / 1e9 == pytest.approx(gmacs, rel=3e-3)


def test_heads_are_64_wide_in_every_size():
    assert {size.width / size.heads for size in ZOO.values()} == {64}
