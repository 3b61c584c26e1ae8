import io

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from streamer.pictures import Look, Photo, open_picture
from tests.unit.pictures.test_reading import wide_profile

MATTE = np.array([[0, 1, 127, 128, 254, 255]], np.uint8)
COLOURS = np.full((1, 6, 3), (40, 120, 200), np.uint8)
DEEP = np.full((1, 6, 3), (10001, 30003, 50005), np.uint16)


def stored(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def near(found, wanted, tolerance=1):
    assert found.shape == np.shape(wanted)
    assert np.abs(found.astype(int) - wanted).max() <= tolerance


def weighted(colours, alpha, behind=0, full=255):
    share = alpha[..., None] / full
    return colours * share + np.asarray(behind) * (1 - share)


def test_a_cutout_has_the_colours_of_the_picture_and_the_matte_as_its_alpha():
    cutout = stored(Look().cutout(Photo(COLOURS), MATTE))
    assert (cutout[..., 3] == MATTE).all()
    assert (cutout[0, 0] == 0).all()
    assert (cutout[0, 1:, :3] == COLOURS[0, 1:]).all()


def test_sixteen_bits_in_are_sixteen_bits_out():
    cutout = stored(Look().cutout(Photo(DEEP), MATTE))
    assert cutout.dtype == np.uint16
    assert (cutout[..., 3] == MATTE.astype(int) * 257).all()
    assert (cutout[0, 0] == 0).all()
    assert (cutout[0, 1:, :3] == DEEP[0, 1:]).all()


def test_what_was_transparent_stays_so():
    own = np.array([[255, 255, 255, 128, 128, 0]], np.uint8)
    cutout = stored(Look().cutout(Photo(COLOURS, own), MATTE))
    near(cutout[..., 3], [[0, 1, 127, 64, 127, 0]])
    assert (cutout[0, 5] == 0).all()
    mask = stored(Look().mask(Photo(COLOURS, own), MATTE))
    assert mask.tolist() == [[0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(("colours", "full"), [(COLOURS, 255), (DEEP, 65535)])
def test_on_black_it_is_weighted_in_the_mask_and_black_outside(colours, full):
    cutout = stored(Look(alpha=False).cutout(Photo(colours), MATTE))
    inside = np.where(MATTE >= 128, MATTE.astype(int), 0)
    near(cutout, weighted(colours, inside))
    assert (cutout[0, :3] == 0).all()
    assert int(cutout.max()) <= full


def test_the_mask_is_where_alpha_is_at_least_the_threshold():
    assert stored(Look().mask(Photo(DEEP), MATTE)).tolist() == [[0, 0, 0, 255, 255, 255]]
    strict = stored(Look(threshold=0.999).mask(Photo(COLOURS), MATTE))
    assert strict.tolist() == [[0, 0, 0, 0, 0, 255]]


@pytest.mark.parametrize(("colours", "scale"), [(COLOURS, 1), (DEEP, 257)])
def test_a_colour_is_behind_it(colours, scale):
    green = np.full((1, 1, 3), (64, 177, 0), np.uint8)
    cutout = stored(Look(backdrop=green).cutout(Photo(colours), MATTE))
    near(cutout, weighted(colours, MATTE, green.astype(int) * scale), tolerance=2)
    assert (cutout[0, 0] == green * colours.dtype.type(scale)).all()


def test_a_picture_behind_covers_it_with_its_shape_kept():
    # Three squares side by side; a square picture shows the middle one, whole.
    backdrop = np.zeros((20, 60, 3), np.uint8)
    backdrop[:, :20], backdrop[:, 20:40], backdrop[:, 40:] = 10, 90, 200
    backdrop[:10, 20:40] = 150
    photo = Photo(np.full((40, 40, 3), 255, np.uint8))
    cutout = stored(Look(backdrop=backdrop).cutout(photo, np.zeros((40, 40), np.uint8)))
    assert (cutout[:18] == 150).all()
    assert (cutout[22:] == 90).all()


def test_a_background_is_brought_into_the_pictures_colour_space():
    red = np.full((1, 1, 3), (0, 0, 250), np.uint8)
    look = Look(backdrop=red)
    content = look.cutout(Photo(COLOURS, profile=wide_profile()), np.zeros_like(MATTE))
    with open_picture(content) as picture:
        photo = picture.read()
    assert photo.profile == wide_profile()
    assert photo.colours[0, 0, 1] > 200  # green is red there
    near(photo.seen(), np.broadcast_to(red, (1, 6, 3)), tolerance=12)


def test_estimated_colours_are_taken_where_alpha_is_soft_and_sixteen_bits_elsewhere():
    asked = []

    def estimate(image, alpha):
        asked.append((image.copy(), alpha.copy()))
        return np.full_like(image, 200)

    look = Look(foreground=estimate)
    cutout = stored(look.cutout(Photo(DEEP), MATTE))
    assert (cutout[0, 1:5, :3] == 200 * 257).all()
    assert (cutout[0, 5, :3] == DEEP[0, 5]).all()
    assert (cutout[0, 0] == 0).all()
    near(asked[0][0], np.rint(DEEP / 257))
    assert (asked[0][1] == MATTE).all()
    near(stored(look.cutout(Photo(COLOURS), MATTE))[0, 1:, :3], np.full((5, 3), 200), 0)


def test_a_jpeg_and_a_webp_are_what_they_say():
    photo = Photo(np.full((16, 16, 3), (40, 120, 200), np.uint8))
    matte = np.full((16, 16), 255, np.uint8)
    white = np.full((1, 1, 3), 255, np.uint8)
    for form, look in (
        ("jpeg", Look(backdrop=white, form="jpeg")),
        ("webp", Look(form="webp", quality=100)),
    ):
        content = look.cutout(photo, matte)
        assert Picture.open(io.BytesIO(content)).format == form.upper()
        near(stored(content)[..., :3], photo.colours, 4)
