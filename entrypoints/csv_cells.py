"""Cells of a CSV file that a spreadsheet opens without taking one for a formula."""

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_QUOTE: Final = "'"


def guarded(cell: str) -> str:
    """The cell, with an apostrophe before what would be a formula, or begins with an apostrophe."""
    return _QUOTE + cell if cell.startswith((*_FORMULA, _QUOTE)) else cell


def bare(cell: str) -> str:
    """What was in a cell before it was guarded, without blanks around it."""
    cell = cell.strip()
    is_guarded = cell.startswith(_QUOTE) and cell[1:].startswith((*_FORMULA, _QUOTE))
    return cell[1:] if is_guarded else cell
