"""A folder is written whole or not at all; `tests/data/conversion` has what a kill leaves of one."""

import os
from pathlib import Path

import pytest

from kerseg.core.staging import whole_folder


def test_all_in_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    monkeypatch.setattr("kerseg.core.staging.sync", lambda path: events.append(path.name))
    rename = os.rename

    def renamed(source: Path, target: Path) -> None:
        events.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "rename", renamed)
    with whole_folder(tmp_path / "out", overwrite=False, ours=lambda name: True) as folder:
        (folder / "a").mkdir()
        (folder / "a/b").write_text("b")
        (folder / "c").write_text("c")
    assert sorted(events[:4]) == [f".out.partial-{os.getpid()}", "a", "b", "c"]
    assert events[4:] == ["rename", tmp_path.name]


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError("Input/output error")

    monkeypatch.setattr("kerseg.core.staging.sync", fail)
    with (
        pytest.raises(OSError, match="Input/output error"),
        whole_folder(tmp_path / "a/out", overwrite=False, ours=lambda name: True) as folder,
    ):
        (folder / "c").write_text("c")
    assert not list(tmp_path.iterdir())
