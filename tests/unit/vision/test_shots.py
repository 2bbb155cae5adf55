import numpy as np

from service.vision.shots import Flash, may_be_cut
from service.vision.small_picture import SmallPicture
from tests.videos import picture, still

SIZE = (320, 240)


def test_points_do_not_survive_another_face_at_the_same_place():
    one = SmallPicture(picture(0, [still()], SIZE))
    two = SmallPicture(picture(0, [still(0.2)], SIZE, other=True))
    flash = SmallPicture(np.clip(one.rgb * 1.5, 0, 255).astype(np.uint8))

    assert not may_be_cut(one, flash)
    assert may_be_cut(one, two)
    assert not may_be_cut(one, one)


def test_a_flash_dazzles_for_a_quarter_of_a_second_at_most_and_darkness_never():
    usual = SmallPicture(picture(0, [still()], SIZE))
    bright = SmallPicture(np.full_like(usual.rgb, 255))
    dark = SmallPicture(np.zeros_like(usual.rgb))
    flash = Flash()

    assert not flash.dazzles(usual, dark, 0.9)
    assert not flash.is_on
    assert flash.dazzles(usual, bright, 1.0)
    assert flash.is_on
    assert flash.dazzles(usual, bright, 1.24)
    assert not flash.dazzles(usual, bright, 1.26)
    assert flash.end()
    assert not flash.end()
