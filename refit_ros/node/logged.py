"""What comes from outside is made fit for a log before it goes there."""

from __future__ import annotations

LONGEST = 200  # characters of one sentence
LONGEST_TRACE = 4000  # of a traceback, from its end


def shortened(text: object, longest: int = LONGEST) -> str:
    """One line of at most so many characters, control characters made visible."""
    whole = str(text)
    line = "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in whole[: longest + 1])
    return line if len(whole) <= longest else f"{line[: longest - 4]} ..."


def shortened_trace(trace: str) -> str:
    """The end of a traceback, its lines cut."""
    lines = [shortened(line) if line.strip() else "" for line in trace[-LONGEST_TRACE:].splitlines()]
    return "\n".join(lines)
