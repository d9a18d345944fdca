"""Lay out words and tables in a fixed width, without cutting words where it can be helped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from placer.reports.facts import GLUE, Cell, Tone

GAP = 2
"""Blank cells between two columns."""
Line = list[Cell]
"""One line of output, in pieces of one tone each."""

_STRONG_JOINTS = re.compile(r"[^/@:+|]*[/@:+|]+|[^/@:+|]+")
_WEAK_JOINTS = re.compile(r"[^-._,=]*[-._,=]+|[^-._,=]+")
_SHELL_WORDS = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*'|["'])+""")


_ASCII = str.maketrans(
    {
        **dict(zip("▁▂▃▄▅▆▇█", "_:-=+*%#", strict=True)),
        **dict.fromkeys("▏▎▍▌", "."),
        **dict.fromkeys("▋▊▉", "#"),
        **dict(zip("▴▵│◂▸└┘", "^'|<>||", strict=True)),
        **dict(zip("✔✖·−–×µ÷↑↓", "vx.--xu/^v", strict=True)),
        **{"≤": "<=", "≥": ">=", "→": "->", "⇄": "<>"},
    }
)
_TAKES_TWO = re.compile("([≤≥→⇄]) ")


def ascii_only(text: str) -> str:
    """Return a report of the same width with all of our own signs in ASCII; others' words stay."""
    return _TAKES_TWO.sub(r"\1", text).translate(_ASCII)


def display_width(text: str) -> int:
    """Return the terminal cells that text takes; East Asian wide characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int) -> list[str]:
    """Break text at spaces; a word that is wider than a line, at its joints (``/ @ : -``).

    No-break spaces hold words together and are returned as spaces.
    """
    lines = [""]
    words = [
        part
        for word in text.split(" ")
        for part in (word.split(GLUE) if display_width(word) > width else [word])
    ]
    for word in words:
        pieces = [word] if display_width(word) <= width else _pieces(word, width)
        if len(pieces) > 1 and lines[-1]:
            lines.append("")
        for number, piece in enumerate(pieces):
            space = " " if lines[-1] and number == 0 else ""
            if lines[-1] and display_width(lines[-1] + space + piece) > width:
                lines.append(piece)
            else:
                lines[-1] += space + piece
    return [line.replace(GLUE, " ") for line in lines]


def wrap_command(command: str, width: int) -> list[str]:
    """Break a command between its words so that it can still be pasted into a shell."""
    lines: list[str] = []
    for word in _SHELL_WORDS.findall(command):
        if lines and display_width(f"{lines[-1]} {word} \\") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word if not lines else f"  {word}")
    return [line if line is lines[-1] else f"{line} \\" for line in lines]


def natural_width(cells: Sequence[Cell]) -> int:
    """Return the width of the widest cell, unwrapped."""
    return max((display_width(cell.text) for cell in cells), default=0)


def row(cells: Sequence[Cell], widths: Sequence[int], *, right: frozenset[int]) -> list[Line]:
    """Lay out one row of a table: each cell wrapped in its column; ``right`` is aligned right."""
    columns = [wrap(cell.text, width) for cell, width in zip(cells, widths, strict=True)]
    lines: list[Line] = []
    for number in range(max(len(column) for column in columns)):
        line: Line = []
        for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
            piece = column[number] if number < len(column) else ""
            blank = " " * max(0, width - display_width(piece))
            gap = " " * GAP if index else ""
            if index in right:
                line += [Cell(gap + blank), Cell(piece, cells[index].tone)]
            else:
                line += [Cell(gap), Cell(piece, cells[index].tone), Cell(blank)]
        lines.append(line)
    return lines


def paragraph(
    text: str, width: int, *, indent: int = 0, first: str = "", tone: Tone = Tone.PLAIN
) -> list[Line]:
    """Lay out running text; ``first`` stands before its first line, inside the indent."""
    wrapped = wrap(text, width - indent)
    lead = first.ljust(indent)
    return [
        [Cell(lead if number == 0 else " " * indent), Cell(line, tone)]
        for number, line in enumerate(wrapped)
    ]


def _pieces(word: str, width: int) -> list[str]:
    pieces = _STRONG_JOINTS.findall(word)
    for joints in (_WEAK_JOINTS, re.compile(r".")):
        pieces = [
            small
            for piece in pieces
            for small in (joints.findall(piece) if display_width(piece) > width else [piece])
        ]
    return pieces
