"""HTML for notebooks: escaped, aligned, with images inside."""

from pathlib import Path

from kerseg.core import notebook
from kerseg.metrics import Meter, choose
from kerseg.metrics.meter import measures


def test_a_table_is_escaped_and_numbers_are_short():
    html = notebook.table(["a<", "b"], [("<x>", 1.23456), ("y", None), ("z", 12345)], title="&")
    assert html.startswith("<p><b>&amp;</b></p><table><tr><th>a&lt;</th><th>b</th></tr>")
    assert "<td>&lt;x&gt;</td>" in html
    assert [text in html for text in (">1.23<", ">-<", ">12,345<")] == [True] * 3


def test_images_are_part_of_the_page(tmp_path: Path):
    assert notebook.image_file(tmp_path / "none.png") == ""
    (tmp_path / "a.jpg").write_bytes(b"abc")
    html = notebook.image_file(tmp_path / "a.jpg", width=20)
    assert 'src="data:image/jpeg;base64,YWJj" width="20"' in html
    assert "<figcaption>a.jpg</figcaption>" in html


def test_scores_show_themselves():
    import numpy as np

    meter = Meter(("road", "<sky>"), choose())
    label = np.array([[0, 0, 1, 1]], np.uint8)
    meter.add("a", label, np.array([[0, 1, 1, 1]], np.uint8))
    found = meter.measurements()
    plain = found.pooled().scores(("road", "<sky>"))
    assert "mean IoU 58.33 %" in plain._repr_html_()
    assert "&lt;sky&gt;" in plain._repr_html_()
    full = type(plain)(**{**vars(plain), "measures": measures(found, choose())})._repr_html_()
    assert "50.00 to 50.00" in full
    assert "mean Dice (%)" in full
