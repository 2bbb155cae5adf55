import numpy as np
import pytest

from model.render.skin import draw_skin_tone, skin_tone
from model.render.solids import from_lab


@pytest.mark.parametrize(
    ("angle", "name"),
    [(58, "very-light"), (50, "light"), (35, "intermediate"), (20, "tan"), (-10, "brown"), (-45, "dark")],
)
def test_skin_tones_are_named_by_their_typology_angle(angle, name):
    assert skin_tone(from_lab(50 + 15 * np.tan(np.deg2rad(angle)), 11, 15)) == name


def test_people_of_every_skin_tone_are_drawn():
    random = np.random.default_rng(0)

    found = {skin_tone(draw_skin_tone(random)) for _ in range(200)}

    assert found == {"very-light", "light", "intermediate", "tan", "brown", "dark"}
