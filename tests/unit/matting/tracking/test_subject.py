import numpy as np
import pytest

from streamer.core.boxes import Box
from streamer.matting.tracking.subject import CropPlanner, find_subjects, touches

SIDES = (128, 256, 384, 512)


def alpha(*boxes: tuple[int, int, int, int], value: int = 255) -> np.ndarray:
    """Of 640x360, with (left, top, right, bottom) filled."""
    made = np.zeros((360, 640), np.uint8)
    for left, top, right, bottom in boxes:
        made[top:bottom, left:right] = value
    return made


def planner() -> CropPlanner:
    return CropPlanner(360, 640, SIDES, 0.95)


def test_a_subject_is_found_where_it_is():
    (box,) = find_subjects(alpha((200, 100, 300, 260)))
    assert box.contains(Box(200, 100, 300, 260))
    assert Box(196, 96, 304, 264).contains(box)


def test_subjects_come_largest_first():
    small, large = (40, 40, 100, 100), (300, 50, 500, 300)
    found = find_subjects(alpha(small, large))
    assert [box.left for box in found] == [300, 40]


@pytest.mark.parametrize("shape", [(360, 640), (361, 639), (90, 50), (17, 16)])
def test_a_subject_that_fills_the_frame_is_the_frame(shape):
    height, width = shape
    assert find_subjects(np.full(shape, 255, np.uint8)) == [Box(0, 0, width, height)]


def test_a_speck_is_no_subject():
    assert find_subjects(alpha((100, 100, 112, 112))) == []


def test_a_patch_that_the_model_is_not_sure_of_is_no_subject():
    assert find_subjects(alpha((100, 100, 300, 300), value=150)) == []


def test_a_soft_edge_belongs_to_the_subject():
    soft = alpha((100, 100, 300, 300), value=120)
    soft[120:280, 120:280] = 255
    (box,) = find_subjects(soft)
    assert box.contains(Box(100, 100, 300, 300))


def test_two_subjects_far_from_each_other_get_a_crop_each():
    crops = planner().follow([Box(20, 20, 100, 100), Box(540, 240, 620, 340)])
    assert len(crops) == 2
    assert {crop.side for crop in crops} == {128}


def test_two_subjects_near_each_other_share_a_crop():
    (crop,) = planner().follow([Box(200, 100, 300, 250), Box(310, 110, 400, 250)])
    assert crop.box.contains(Box(200, 100, 400, 250))


def test_a_crop_has_room_around_its_subject_as_far_as_the_frame_goes():
    (crop,) = planner().follow([Box(0, 100, 200, 360)])
    assert (crop.box.left, crop.box.bottom) == (0, 360)
    assert crop.box.top < 80
    assert crop.box.right > 220


@pytest.mark.parametrize("tall", range(20, 360, 20))
def test_a_crop_is_looked_at_with_the_smallest_size_that_shows_it_in_full(tall):
    (crop,) = planner().follow([Box(300, 0, 320, tall)])
    assert crop.side in SIDES
    needed = 0.95 * max(crop.box.width, crop.box.height)
    assert crop.side >= needed or crop.side == SIDES[-1]
    assert not [side for side in SIDES if needed <= side < crop.side]


def test_a_crop_stays_while_its_subject_moves_within_it():
    plan = planner()
    crops = plan.follow([Box(200, 100, 300, 250)])
    assert plan.follow([Box(208, 104, 306, 248)]) == crops
    assert plan.follow([Box(240, 100, 340, 250)]) != crops, "it came too close to the border"


def test_a_crop_that_has_become_much_too_large_is_made_anew():
    plan = planner()
    plan.follow([Box(100, 20, 400, 340)])
    (crop,) = plan.follow([Box(220, 120, 280, 180)])
    assert crop.side == 128


def test_one_who_comes_and_one_who_goes_change_the_crops():
    plan = planner()
    one, other = Box(20, 20, 100, 100), Box(540, 240, 620, 340)
    assert len(plan.follow([one])) == 1
    assert len(plan.follow([one, other])) == 2
    assert len(plan.follow([other])) == 1
    assert plan.follow([]) == ()


def test_a_subject_that_goes_on_beyond_its_crop_is_noticed():
    box = Box(150, 50, 350, 360)
    assert not touches(alpha((200, 100, 300, 360)), box), "the frame's own border is no crop's"
    assert touches(alpha((200, 100, 400, 360)), box)
    assert touches(alpha((100, 100, 300, 360)), box)
    assert touches(alpha((200, 20, 300, 360)), box)
    assert not touches(alpha((200, 100, 300, 360), (340, 200, 380, 203)), box), "only a strand"


def test_boxes_that_only_touch_do_not_overlap():
    assert Box(0, 0, 10, 10).overlaps(Box(9, 9, 20, 20))
    assert not Box(0, 0, 10, 10).overlaps(Box(10, 0, 20, 10))


def test_somebody_far_away_counts_where_asked_for_and_alone() -> None:
    far, near = (400, 200, 416, 212), (100, 50, 300, 260)
    assert find_subjects(alpha(far)) == []
    assert len(find_subjects(alpha(far), small_too=True)) == 1
    assert len(find_subjects(alpha(far, near), small_too=True)) == 1, "beside a large one: a fleck"


def test_of_a_small_picture_a_single_coarse_pixel_is_nobody() -> None:
    tiny = np.zeros((90, 160), np.uint8)
    tiny[40:44, 80:84] = 255
    assert find_subjects(tiny, small_too=True) == []


@pytest.mark.parametrize(("enlarge", "side"), [(True, 1024), (False, 384)])
def test_a_crop_with_few_pixels_gets_the_largest_input_where_that_is_wanted(enlarge, side) -> None:
    wide = CropPlanner(720, 1280, (384, 512, 768, 1024), 0.95, enlarge=enlarge)
    (crop,) = wide.follow([Box(600, 300, 640, 400)])
    assert crop.side == side
    assert (crop.box.width > 300) == enlarge, "with what is around it"
