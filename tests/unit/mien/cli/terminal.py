"""Interpret the text that a program prints as a terminal does: lines and cursor movements."""

import re

_ESCAPE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


def screen(text: str) -> list[str]:
    """Return the lines on the screen, without trailing blanks."""
    lines, row, column, place = [""], 0, 0, 0
    while place < len(text):
        if escape := _ESCAPE.match(text, place):
            count, kind = escape.groups()
            if kind == "A":
                row = max(0, row - int(count or 1))
            elif kind == "K":
                lines[row] = "" if count == "2" else lines[row][:column]
            place = escape.end()
            continue
        if text[place] == "\r":
            column = 0
        elif text[place] == "\n":
            row += 1
        else:
            lines[row] = lines[row].ljust(column)[:column] + text[place] + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
        place += 1
    return [line.rstrip() for line in lines]
