import pytest

from model.errors import ModelError
from model.render.rasterise import Rasteriser
from model.render.studio import Studio
from tests.unit.model.render.heads import small_head


@pytest.fixture(scope="session")
def head():
    """A head made by formulas; see `heads`."""
    return small_head()


@pytest.fixture(scope="session")
def _egl():
    try:
        Rasteriser(16).close()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture
def rasteriser(_egl):
    made = Rasteriser(64)
    yield made
    made.close()


@pytest.fixture(scope="session")
def studio(_egl, head):
    made = Studio(head)
    yield made
    made.close()
