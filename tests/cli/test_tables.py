"""The table of scores: every figure in its place, on 80 columns."""

import io

from rich.console import Console

from kerseg.cli.tables import scores_table
from kerseg.metrics import ConfusionMatrix


def rendered(names: list[str], width: int = 80) -> list[str]:
    matrix = ConfusionMatrix(4)
    #              truth: 0 0 1 1 1, and class 3 is predicted once, class 2 never occurs
    matrix.update([0, 0, 1, 1, 1, 255], [0, 1, 1, 1, 3, 2])
    console = Console(file=io.StringIO(), width=width)
    console.print(scores_table(matrix.scores(names), "val of tiny"))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_every_figure_in_its_place():
    rows = [line.split() for line in rendered(["road", "sky", "car", "[void]"]) if line.strip()]
    assert rows[0] == ["val", "of", "tiny"]
    assert rows[1] == ["class", "IoU", "%", "accuracy", "%", "pixels", "%"]
    assert rows[3:] == [
        ["road", "50.00", "50.00", "40.00"],
        ["sky", "50.00", "66.67", "60.00"],
        ["(absent)", "car", "-", "-", "0.00"],
        ["[void]", "0.00", "-", "0.00"],
        ["mean", "IoU", "33.33"],
        ["frequency", "weighted", "IoU", "50.00"],
        ["mean", "pixel", "accuracy", "58.33"],
        ["pixel", "accuracy", "60.00"],
    ]


def test_means_stand_below_their_columns():
    lines = rendered(["road", "sky", "car", "bus"])
    [head] = [line for line in lines if "accuracy %" in line]
    for mean, heading in {
        "mean IoU": "IoU %",
        "weighted IoU": "IoU %",
        "pixel accuracy": "accuracy %",
    }.items():
        for line in lines:
            if mean in line:
                assert len(line.rstrip()) == head.index(heading) + len(heading)


def test_long_names_keep_the_figures_on_80_columns():
    lines = rendered(["a long name of many words " * 5, "sky", "car", "bus"])
    assert max(map(len, lines)) <= 80
    assert any("50.00" in line and "40.00" in line for line in lines)
    narrow = rendered(["extraordinarilylongsingleword" * 3, "sky", "car", "bus"], width=50)
    assert any("50.00" in line and "40.00" in line for line in narrow)
