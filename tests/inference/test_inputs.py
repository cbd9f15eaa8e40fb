"""Which images are meant, and that no two results share a name."""

import os
from pathlib import Path, PurePath

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kerseg.errors import DataError
from kerseg.inference.inputs import SOFTWARE, collect, is_result


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images in folders, and what is none; the working directory is their parent."""
    names = (
        "pics/b.JPG pics/a.png pics/city/left/c.jpeg pics/city/right/c.jpeg pics/notes.txt pics/.hidden.png"
    )
    for name in [*names.split(), "pics/.cache/d.png", "other/b.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"-")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def results(*given: str | Path) -> dict[str, str]:
    """Return path -> result of what is found."""
    inputs, failures = collect(given)
    assert not failures
    return {input_.path.as_posix(): input_.result.as_posix() for input_ in inputs}


def test_folder_at_any_depth_with_its_sub_folders(tree: Path):
    assert results("pics") == {
        "pics/a.png": "a.png",
        "pics/b.JPG": "b.png",
        "pics/city/left/c.jpeg": "city/left/c.png",
        "pics/city/right/c.jpeg": "city/right/c.png",
    }


def test_file_may_be_called_anything(tree: Path):
    assert results("pics/notes.txt") == {"pics/notes.txt": "notes.txt.png"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("pics/*.png", {"pics/a.png": "a.png"}),
        (
            "pics/**/*.jpeg",
            {"pics/city/left/c.jpeg": "city/left/c.png", "pics/city/right/c.jpeg": "city/right/c.png"},
        ),
        ("pics/*/left", {"pics/city/left/c.jpeg": "city/left/c.png"}),
        ("pics/[ab].*", {"pics/a.png": "a.png", "pics/b.JPG": "b.png"}),
        ("*/b.*", {"other/b.jpg": "other/b.png", "pics/b.JPG": "pics/b.png"}),
    ],
)
def test_pattern_keeps_names_from_its_first_wildcard(tree: Path, pattern: str, expected: dict[str, str]):
    assert results(pattern) == expected
    absolute = results(tree / pattern)
    assert {Path(path).relative_to(tree).as_posix(): name for path, name in absolute.items()} == expected


def test_file_whose_name_looks_like_a_pattern(tree: Path):
    Path("pics/x[1].png").write_bytes(b"-")
    assert results("pics/x[1].png") == {"pics/x[1].png": "x[1].png"}


def test_each_image_once(tree: Path):
    assert list(results("pics/city", "pics/../pics/city/left/c.jpeg", "pics/city/*/c.jpeg")) == [
        "pics/city/left/c.jpeg",
        "pics/city/right/c.jpeg",
    ]


def test_two_links_to_one_file_are_two_images(tree: Path):
    Path("links").mkdir()
    for name in ("one.jpg", "two.jpg"):
        Path("links", name).symlink_to(tree / "other/b.jpg")
    assert results("links") == {"links/one.jpg": "one.png", "links/two.jpg": "two.png"}


def test_one_name_with_two_suffixes_keeps_both(tree: Path):
    for name in ("x.jpg", "x.png", "y.png"):
        Path("other", name).write_bytes(b"-")
    assert results("other/x.jpg", "other/x.png", "other/y.png") == {
        "other/x.jpg": "x.jpg.png",
        "other/x.png": "x.png.png",
        "other/y.png": "y.png",
    }


def test_one_name_in_two_folders_takes_the_folders(tree: Path):
    assert results("pics/city/left/c.jpeg", "pics/city/right/c.jpeg") == {
        "pics/city/left/c.jpeg": "left/c.png",
        "pics/city/right/c.jpeg": "right/c.png",
    }
    # Upper and lower case are one on some file systems.
    assert results("pics/b.JPG", "other/b.jpg") == {"pics/b.JPG": "pics/b.png", "other/b.jpg": "other/b.png"}


def test_a_result_name_that_another_image_already_has(tree: Path):
    for name in ("x.jpg", "x.png", "x.jpg.bmp"):
        Path("other", name).write_bytes(b"-")
    found = results("other")
    assert len({name.casefold() for name in found.values()}) == 4
    assert found["other/x.jpg.bmp"] == "x.jpg.bmp.png"


def test_results_are_no_images(tree: Path):
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    Path("pics/out/index").mkdir(parents=True)
    Image.new("L", (3, 3)).save("pics/out/index/a.png", pnginfo=mark)
    assert is_result(Path("pics/out/index/a.png"))
    assert not is_result(Path("pics/a.png"))
    assert not is_result(Path("nowhere.png"))
    assert "pics/out/index/a.png" not in results("pics")


def test_what_stands_for_nothing_is_a_failure_beside_what_is_found(tree: Path):
    Path("empty").mkdir()
    inputs, failures = collect(["pics/a.png", "nowhere.jpg", "pics/*.gif", "empty"])
    assert [input_.path for input_ in inputs] == [Path("pics/a.png")]
    assert [(failure.path.as_posix(), failure.reason) for failure in failures] == [
        ("nowhere.jpg", "does not exist"),
        ("pics/*.gif", "a pattern that matches no file"),
        ("empty", "a folder without images"),
    ]


def test_no_image_at_all_lists_what_was_given(tree: Path):
    with pytest.raises(DataError) as caught:
        collect(["nowhere.jpg", "pics/*.gif"])
    assert str(caught.value).splitlines() == [
        "There is no image to predict. Received:",
        "nowhere.jpg: does not exist",
        "pics/*.gif: a pattern that matches no file",
    ]
    with pytest.raises(DataError, match="Received:\nnothing"):
        collect([])


def test_results_are_relative_and_stay_below_the_output(tree: Path):
    inputs, _ = collect(["../" + tree.name + "/pics", tree / "other", "pics/city/.."])
    for input_ in inputs:
        assert not input_.result.is_absolute()
        assert ".." not in PurePath(input_.result).parts


def test_a_pipe_is_no_result_and_nobody_waits_for_its_writer(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.json")
    assert not is_result(tmp_path / "a.png")
    assert not is_result(tmp_path / "a.json")
