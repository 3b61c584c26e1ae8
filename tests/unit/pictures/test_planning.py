import os
import sys
from pathlib import Path

import pytest

from streamer.pictures import Found, Job, find, natural, plan


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/a.png",
        "in/b.JPG",
        "in/notes.txt",
        "in/.hidden.png",
        "in/x/a.png",
        "in/x/y/c.webp",
        "in/.git/d.png",
        "in/out/a.png",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    Path("in/folder.png").mkdir()


def paths(found):
    return [str(picture.path) for picture in found]


def names(jobs):
    return [str(path) for job in jobs for path in (job.cutout, job.mask)]


def test_a_folder_means_its_pictures_and_not_those_below(tree):
    found, problems = find(["in"])
    assert paths(found) == ["in/a.png", "in/b.JPG"]
    assert problems == []


ODD_NAMES = [
    *("01.png", "1.png", "\uff11.png", "1a2.png", "1a10.png", "2.png", "\u0663.png", "10.png"),
    *("9" * 240 + ".png", "%d.png", "'.png", "-1.png", "[x].png", "a\n.png", "a b.png"),
    *("\xb21.png", "\u2460.png", os.fsdecode(b"\xff\xfe.png")),
]
"""Names that a file system allows, in natural order: `\u0663` is 3, `\xb2` no number."""


def test_any_name_has_its_place_in_natural_order():
    paths = [Path("in", name) for name in ODD_NAMES]
    mixed = paths[::-1]
    mixed.sort(key=natural)
    assert mixed == paths


def test_folders_are_in_natural_order_and_stay_together():
    paths = [Path(name) for name in ("a2/1.png", "a2/9.png", "a2/b/0.png", "a10/3.png")]
    mixed = paths[::-1]
    mixed.sort(key=natural)
    assert mixed == paths


def test_the_pictures_of_a_folder_are_found_in_natural_order(tmp_path):
    for name in ("10.png", "2.png", "\xb2.png"):
        (tmp_path / name).touch()
    found, _ = find([str(tmp_path)])
    assert [picture.path.name for picture in found] == ["2.png", "10.png", "\xb2.png"]


def test_below_too_where_that_is_asked_for_but_never_what_is_hidden_nor_the_results(tree):
    found, _ = find(["in"], recursive=True, out=Path("in/out"))
    assert paths(found) == ["in/a.png", "in/b.JPG", "in/x/a.png", "in/x/y/c.webp"]


@pytest.mark.parametrize("pattern", ["in/**/*.png", "in/**"])
def test_a_glob_leaves_out_the_results_too(tree, pattern):
    found, _ = find([pattern], out=Path("in/out"))
    assert {"in/a.png", "in/x/a.png"} <= set(paths(found))
    assert "in/out/a.png" not in paths(found)


def test_a_folder_that_is_itself_where_results_go_is_looked_through(tree):
    assert paths(find(["in/out"], out=Path("in/out"))[0]) == ["in/out/a.png"]
    assert paths(find(["in/out"], recursive=True, out=Path("in"))[0]) == ["in/out/a.png"]


def test_each_picture_is_taken_once_and_what_means_none_is_told(tree):
    found, problems = find(["in", "in/*.png", "in/a.png", "x/*.png", "new\nline"])
    assert paths(found) == ["in/a.png", "in/b.JPG"]
    assert problems == [
        "x/*.png: no such picture, nor a folder or glob that holds any",
        "new\\nline: no such picture, nor a folder or glob that holds any",
    ]


def test_names_that_differ_in_case_alone_are_pictures_of_their_own(tree):
    if is_case_ignored(Path("in")):
        pytest.skip("a disk that ignores case")
    for name in ("c/IMG.PNG", "c/Img.png", "c/img.png", "s/a/x.png", "s/A/x.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    found, _ = find(["c", "c/img.png"])
    assert paths(found) == ["c/IMG.PNG", "c/Img.png", "c/img.png"]
    assert names(plan(found, Path("o")))[::2] == ["o/IMG.png", "o/Img-2.png", "o/img-3.png"]
    for inputs in (["s"], ["s/**/*.png"]):
        assert paths(find(inputs, recursive=True)[0]) == ["s/A/x.png", "s/a/x.png"]
        assert paths(find(inputs, recursive=True, out=Path("s/a"))[0]) == ["s/A/x.png"]


def is_case_ignored(folder):
    return folder.with_name(folder.name.upper()).exists()


def test_a_folder_of_results_is_known_by_another_of_its_names(tree):
    Path("same").symlink_to("in/out")
    for inputs in (["in"], ["in/**"]):
        assert "in/out/a.png" not in paths(find(inputs, recursive=True, out=Path("same"))[0])


def test_a_folder_that_cannot_be_looked_through_costs_itself_alone(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path) == Path("in/x"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found, problems = find(["in"], recursive=True, out=Path("in/out"))
    assert paths(found) == ["in/a.png", "in/b.JPG"]
    assert problems == ["in/x: cannot be looked through: Permission denied"]


def test_files_without_the_suffix_of_a_picture_are_counted(tree):
    Path("t").mkdir()
    for name in ("t/a.mp4", "t/b.txt", "t/.c.png"):
        Path(name).write_bytes(b"")
    for given in ("t", "t/*"):
        _, problems = find([given])
        assert problems == [
            f"{given}: none of its files (2) has the suffix of a picture: "
            "name those that are to be read"
        ]


@pytest.mark.parametrize("suffix", ["avif", "jp2", "jfif", "jpe", "pbm", "pnm"])
def test_pictures_of_rarer_suffixes_are_found_in_folders(tree, suffix):
    Path("r").mkdir()
    Path(f"r/a.{suffix}").write_bytes(b"")
    assert paths(find(["r"])[0]) == [f"r/a.{suffix}"]


def test_an_empty_name_is_no_folder(tree):
    assert find([""]) == ([], ["an empty name: write . for this folder"])


@pytest.mark.skipif(sys.platform == "win32", reason="devices as POSIX has them")
def test_a_device_is_taken_so_that_whoever_reads_it_can_say_what_it_is(tree):
    assert paths(find(["/dev/null"])[0]) == ["/dev/null"]


def test_a_name_with_the_signs_of_a_glob_is_a_name_where_there_is_such_a_file(tree):
    Path("in/[x]*.png").write_bytes(b"")
    assert paths(find(["in/[x]*.png"])[0]) == ["in/[x]*.png"]


def test_a_name_that_begins_like_a_users_home_is_a_name(tree):
    Path("~draft.png").write_bytes(b"")
    assert paths(find(["~draft.png"])[0]) == ["~draft.png"]


def test_a_named_file_is_taken_whatever_its_suffix(tree):
    assert paths(find(["in/notes.txt"])[0]) == ["in/notes.txt"]


def test_a_name_that_no_system_takes_is_told(tree):
    found, problems = find(["x" * 5000])
    assert not found
    assert "cannot be looked through" in problems[0]


def test_results_of_one_name_are_told_apart():
    sources = [Found(Path(name)) for name in ("x/a.jpg", "y/A.png", "x/a-mask.jpg")]
    assert names(plan(sources, Path("out"))) == [
        "out/a.png",
        "out/a-mask.png",
        "out/A-2.png",
        "out/A-2-mask.png",
        "out/a-mask-2.png",
        "out/a-mask-2-mask.png",
    ]


def test_no_result_takes_the_place_of_a_picture(tree):
    found, _ = find(["in"])
    assert names(plan(found, Path("in"))) == [
        "in/a-2.png",
        "in/a-2-mask.png",
        "in/b.png",
        "in/b-mask.png",
    ]


def test_a_link_to_a_folder_does_not_hide_that_it_is_the_same(tree):
    Path("same").symlink_to("in")
    assert names(plan(find(["in/a.png"])[0], Path("same")))[0] == "same/a-2.png"


def test_the_folders_are_the_pictures_own_where_that_is_asked_for(tree):
    found, _ = find(["in"], recursive=True, out=Path("in/out"))
    jobs = plan(found, Path("in/out"), keep_structure=True)
    assert [str(job.cutout) for job in jobs] == [
        "in/out/a.png",
        "in/out/b.png",
        "in/out/x/a.png",
        "in/out/x/y/c.png",
    ]
    by_glob = plan(find(["in/x/**/*.webp"])[0], Path("o"), keep_structure=True)
    assert str(by_glob[0].cutout) == "o/y/c.png"


def test_a_folder_and_a_result_of_one_name_are_told_apart(tree):
    Path("in/x.png").mkdir()
    Path("in/x.png/e.jpg").write_bytes(b"")
    Path("in/x.jpg").write_bytes(b"")
    found, _ = find(["in"], recursive=True, out=Path("in/out"))
    jobs = {str(j.source): j for j in plan(found, Path("o"), keep_structure=True)}
    assert str(jobs["in/x.png/e.jpg"].cutout) == "o/x.png/e.png"
    assert str(jobs["in/x.jpg"].cutout) == "o/x-2.png"


def test_names_are_as_long_as_a_file_system_takes():
    jobs = plan([Found(Path("ü" * 120 + ".jpg")), Found(Path("ü" * 120 + "x.jpg"))], Path("o"))
    assert len(set(names(jobs))) == 4
    assert all(len(os.fsencode(Path(name).name)) <= 255 for name in names(jobs))


def test_standard_input_has_a_name():
    assert names(plan(find(["-"])[0], Path("o"), ".webp")) == ["o/stdin.webp", "o/stdin-mask.png"]


def test_a_job_is_done_when_all_its_results_are_there_and_not_older(tmp_path):
    job = Job(tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "a-mask.png")
    job.source.write_bytes(b"")
    os.utime(job.source, (1000, 1000))
    assert not job.is_done(mask=False)
    job.cutout.write_bytes(b"")
    assert job.is_done(mask=False)
    assert not job.is_done(mask=True)
    job.mask.write_bytes(b"")
    assert job.is_done(mask=True)
    os.utime(job.mask, (999, 999))
    assert not job.is_done(mask=True)
    os.utime(job.cutout, (999, 999))
    assert not job.is_done(mask=False)
    assert not Job(None, job.cutout, job.mask).is_done(mask=False)
