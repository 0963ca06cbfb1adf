"""The few pieces of HTML that reports are put together from; all text is escaped."""

import html
from collections.abc import Iterable


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of texts."""

    def line(tag: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption>{line('th', heads)}{body}</table>"


def figure(picture: str, caption: str) -> str:
    """Return a picture, as HTML, over its caption."""
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"


def row(*parts: str) -> str:
    """Return parts, as HTML, side by side."""
    return '<div class="row">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>"
