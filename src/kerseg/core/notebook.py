"""What results show of themselves in a notebook: tables and images as HTML."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> str:
    """Return a table; text is escaped, numbers stand to the right.

    Example:
        >>> table(["class", "IoU %"], [("a < b", 51.234)])[-69:]
        '<td>a &lt; b</td><td style="text-align:right">51.23</td></tr></table>'
    """
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    caption = f"<p><b>{html.escape(title)}</b></p>" if title else ""
    return f"{caption}<table><tr>{head}</tr>{body}</table>"


def image(data: bytes, kind: str = "png", *, width: int | None = None, caption: str = "") -> str:
    """Return an image that is part of the page, with a caption below it."""
    size = f' width="{width}"' if width else ""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = base64.b64encode(data).decode()
    return (
        '<figure style="display:inline-block;margin:4px">'
        f'<img src="data:image/{kind};base64,{source}"{size}>{below}</figure>'
    )


def image_file(path: Path, *, width: int | None = None) -> str:
    """Return an image file as `image` does, with its name; nothing where there is none."""
    if not path.is_file():
        return ""
    kind = path.suffix.lstrip(".").lower().replace("jpg", "jpeg")
    return image(path.read_bytes(), kind, width=width, caption=path.name)


def _cell(value: object) -> str:
    """Return a cell: numbers with two digits behind the point, whole ones without, ``-`` for none."""
    if not isinstance(value, int | float | None):
        return f"<td>{html.escape(str(value))}</td>"
    shown = "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
    return f'<td style="text-align:right">{shown}</td>'
