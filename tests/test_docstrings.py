"""The examples in the docstrings are run, and print what they say.

They run in a folder with a data set of streets that kerseg drew (``street``, ``data/street``: 8 + 2 images) and a
U-Net trained on it for a step (``runs/unet``). Names that an example uses and does not bind are those of its
module, and of ``GIVEN``.
"""

import ast
import doctest
import importlib
import os
import pkgutil
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kerseg
from kerseg import street

MAX_SKIPPED = 4
"""Examples that cannot run: they would need the network, or hours."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="examples are TensorFlow's")


class Checker(doctest.OutputChecker):
    """Takes TensorFlow's shapes for the tuples that they are on the other backends."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, re.sub(r"TensorShape\(\[(.*?)\]\)", r"(\1)", got), optionflags)


def examples() -> list[doctest.DocTest]:
    """Return the docstrings of kerseg that have examples, from the files' text: nothing is imported for it."""
    found, parser = [], doctest.DocTestParser()
    for module in pkgutil.walk_packages(kerseg.__path__, "kerseg."):
        path = Path(str(module.module_finder.path), *module.name.split(".")[-1:])  # type: ignore[union-attr]
        path = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text, name = ast.get_docstring(node) or "", getattr(node, "name", "")
                if ">>>" in text:
                    found.append(parser.get_doctest(text, {}, f"{module.name}:{name}", str(path), None))
    return found


EXAMPLES = examples()


@cache
def image() -> Any:
    from PIL import Image

    return np.asarray(Image.open("street/train/images/street_0000.jpg"))


@cache
def label() -> Any:
    from PIL import Image

    return np.asarray(Image.open("street/train/labels/street_0000.png"))


@cache
def source() -> Any:
    from kerseg.data.sources.folder import Folder

    parts = {
        f"{split}_{kind}_path": Path("street", split, f"{kind}s")
        for split in ("train", "val")
        for kind in ("image", "label")
    }
    return Folder(**parts, palette=(str(Path("street", street.CLASSES_FILE)),))


def checked() -> Any:
    from kerseg.data.conversion.checks import check_pair

    return check_pair(source(), source().splits()["train"][0])


def folder() -> Path:
    Path("made").mkdir(exist_ok=True)
    return Path("made")


def record() -> Any:
    from kerseg.data.formats.records import Record, encode_label

    return Record("a", Path("street.jpg").read_bytes(), "jpeg", 32, 48, 3, encode_label(label()))


def scores() -> Any:
    matrix = kerseg.metrics.ConfusionMatrix(2)
    matrix.update(label=[0, 0, 1, 1], prediction=[0, 1, 1, 1])
    return matrix.scores(["road", "sky"])


def console() -> Any:
    from rich.console import Console

    return Console(width=100)


def tensor(array: Any, dtype: str = "float32") -> Any:
    return imported("tensorflow").constant(array, dtype)


def imported(module: str, name: str = "") -> Any:
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


GIVEN: dict[str, Callable[[], Any]] = {
    "Path": lambda: Path,
    "SplitWriter": lambda: imported("kerseg.data.conversion.split_writer", "SplitWriter"),
    "checked": checked,
    "console": console,
    "dataclasses": lambda: imported("dataclasses"),
    "data": lambda: kerseg.data.load("data/street"),
    "folder": folder,
    "image": lambda: tensor(image()),
    "images": lambda: tensor([image()] * 4),
    "info": lambda: kerseg.data.load("data/street").info,
    "keras": lambda: keras,
    "kerseg": lambda: kerseg,
    "label": label,
    "labels": lambda: tensor([label()] * 4, "uint8"),
    "model": lambda: kerseg.models.build("unet", num_classes=7, width=2),
    "np": lambda: np,
    "pair": lambda: source().splits()["train"][0],
    "pairs": lambda: source().splits()["train"],
    "record": record,
    "savemat": lambda: imported("scipy.io", "savemat"),
    "scores": scores,
    "seeds": lambda: tensor([[0, i] for i in range(4)], "int64"),
    "shapes_only": lambda: imported("kerseg.profiling.complexity", "shapes_only"),
    "source": source,
    "tf": lambda: imported("tensorflow"),
}
"""Names of examples, and what they stand for."""


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand in a folder with the data and the run that examples are about."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("examples")
    os.chdir(folder)
    street.draw(Path("street"), train=8, val=2, size=(32, 48), workers=1)
    shutil.copy("street/train/images/street_0000.jpg", "street.jpg")
    kerseg.convert(source(), output=Path("data/street"))
    kerseg.train(data_dir="data/street", output="runs/unet", **SMALL)
    yield
    os.chdir(before)


SMALL: dict[str, Any] = {
    "model": "unet",
    "model_options": {"width": 2},
    "steps": 1,
    "batch_size": 2,
    "crop_size": (16, 16),
    "previews": 0,
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name.removeprefix("kerseg."))
def test_an_example_prints_what_it_says(example: doctest.DocTest) -> None:
    module = importlib.import_module(example.name.partition(":")[0])
    tree = ast.parse("".join(part.source for part in example.examples))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    example.globs = {name: GIVEN[name]() for name in used & GIVEN.keys()} | vars(module)
    said: list[str] = []
    result = doctest.DocTestRunner(Checker(), optionflags=FLAGS).run(example, out=said.append)
    assert not result.failed, "".join(said)


def test_few_examples_are_skipped() -> None:
    assert len(EXAMPLES) > 150
    skipped = [e.name for e in EXAMPLES if any(doctest.SKIP in part.options for part in e.examples)]
    assert len(skipped) <= MAX_SKIPPED, skipped
