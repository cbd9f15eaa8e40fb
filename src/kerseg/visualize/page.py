"""HTML pages of one look: one file each, images inside, nothing fetched from elsewhere, light and dark.

A page is a Jinja template that extends ``base.html``; ``style.css`` has the colours and the parts that all share.
"""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

_HERE = Path(__file__).parent


def render(template: Path, **values: Any) -> str:
    """Return a page.

    Args:
        template: The Jinja file, which extends ``base.html``. In it, ``include_raw(name)`` is the text of a file
            beside it, as it is.
        values: What it names, escaped but for `markupsafe.Markup`. A name that is not given is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["include_raw"] = lambda name: Markup(
        (template.parent / name).read_text(encoding="utf-8")
    )
    style = Markup((_HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(template.name).render(style=style, **values)


def data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    """Return an image as the address of itself.

    Args:
        image: The image.
        kind: `"JPEG"` or `"PNG"`.
        options: Of Pillow's writer.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return as_uri(buffer.getvalue(), f"image/{kind.lower()}")


def as_uri(data: bytes, kind: str) -> str:
    """Return bytes as the address of themselves.

    Example:
        >>> as_uri(b"a", "text/plain")
        'data:text/plain;base64,YQ=='
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
