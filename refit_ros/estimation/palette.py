"""The colour of a person's id, the same in images, in RViz and wherever else they are drawn."""

from __future__ import annotations

import colorsys

GOLDEN_RATIO = 0.618034  # neighbouring ids are far apart in hue
FIRST_HUE, SATURATION, VALUE = 0.08, 0.55, 1.0


def color_of(person_id: int) -> tuple[float, float, float]:
    """Red, green and blue, 0 .. 1."""
    return colorsys.hsv_to_rgb((FIRST_HUE + GOLDEN_RATIO * person_id) % 1.0, SATURATION, VALUE)


def rgb8_of(person_id: int) -> tuple[int, int, int]:
    """The same as bytes."""
    red, green, blue = color_of(person_id)
    return int(255 * red), int(255 * green), int(255 * blue)
