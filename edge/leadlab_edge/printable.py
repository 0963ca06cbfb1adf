"""Texts of others on our screen: names of devices, packs and recordings may come from anyone."""

import unicodedata


def printable(text: str, keep: str = "") -> str:
    r"""Escape what could steer a terminal: control, format (bidirectional) and line characters.

    ``"H10\x1b[31m"`` becomes ``r"H10\x1b[31m"``.

    Parameters
    ----------
    text
        Anything.
    keep
        Characters to leave, such as ``"\n"`` in a text of several lines.
    """
    return "".join(char if char in keep or not _steers(char) else _escaped(char) for char in text)


def _steers(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] == "C" or category in ("Zl", "Zp")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
