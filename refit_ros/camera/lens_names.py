"""What drivers and calibration tools call a lens, and what they append to its coefficients, in this package's terms."""

from __future__ import annotations

import numpy as np

# Lengths of D that each model knows; shorter lists are filled with zeros.
COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14), "equidistant": (0, 4)}

# Names without case, spaces and signs. OpenCV, Kalibr, COLMAP, librealsense, Basalt and the like mean the same by them,
# and order the coefficients alike.
_SAME = {
    "plumb_bob": (
        "",
        "plumbbob",
        "brown",
        "brownconrady",
        "radtan",
        "radialtangential",
        "pinholeradtan",
        "opencv",
        "opencv5",
        "simpleradial",
        "radial",
        "perspective",
        "pinhole",
        "none",
        "nodistortion",
        "ideal",
    ),
    "rational_polynomial": (
        "rationalpolynomial",
        "rational",
        "fullopencv",
        "opencv8",
        "pinholeradtan8",
        "radtan8",
        "thinprism",
        "thinprismmodel",
        "tilted",
        "rationalpolynomialthinprism",
    ),
    "equidistant": (
        "equidistant",
        "equi",
        "pinholeequi",
        "fisheye",
        "opencvfisheye",
        "kannalabrandt",
        "kannalabrandt4",
        "kannalabrandt8",
        "kb",
        "kb4",
        "kb8",
        "simpleradialfisheye",
        "radialfisheye",
    ),
}
_MEANS = {name: model for model, names in _SAME.items() for name in names}
_WITHOUT_A_LENS = ("pinhole", "none", "nodistortion", "ideal")
# Other mathematics than OpenCV's, which with all coefficients zero is none.
_ONLY_WITHOUT = ("inversebrownconrady", "modifiedbrownconrady")
_LARGEST = 1e6  # of a coefficient: beyond it a lens is no lens, and its polynomials overflow
_LARGEST_TILT_RAD = 1.5  # of a sensor


def understood(model: str, coefficients: np.ndarray) -> tuple[str, np.ndarray]:
    """(name, coefficients) in this package's terms: trailing zeros that say nothing are cut, a plumb_bob with more than
    five coefficients is OpenCV's longer model, and what is shorter than its model is filled with zeros.

    Raises ValueError with a sentence (without the camera's name) on a lens that cannot be understood.
    """
    D = np.asarray(coefficients, np.float64).reshape(-1)
    if not np.isfinite(D).all():
        raise ValueError("D holds coefficients that are not finite")
    if D.size and np.abs(D).max() > _LARGEST:
        raise ValueError(f"D holds {D[np.abs(D).argmax()]:g}, and no lens has a coefficient beyond {_LARGEST:g}")
    name = "".join(letter for letter in model.lower() if letter.isalnum())
    if name in (*_ONLY_WITHOUT, *_WITHOUT_A_LENS) and not D.any():
        return "plumb_bob", np.zeros(0)
    if name not in _MEANS or name in _WITHOUT_A_LENS:
        raise ValueError(f"distortion model {model[:40]!r} is unknown; it can be one of {', '.join(COEFFICIENTS)}")
    meant = _MEANS[name]
    D = _without_zeros_after(D, COEFFICIENTS[meant][-1])
    if meant == "plumb_bob" and D.size > COEFFICIENTS[meant][-1]:
        meant = "rational_polynomial"
    if D.size > COEFFICIENTS[meant][-1]:
        raise ValueError(f"{meant} takes up to {COEFFICIENTS[meant][-1]} coefficients, D holds {D.size} that are not zero")
    if D.size > 12 and np.abs(D[12:]).max() > _LARGEST_TILT_RAD:
        raise ValueError(
            f"D tilts the sensor by {np.abs(D[12:]).max():g} rad, and none is tilted by more than {_LARGEST_TILT_RAD:g}"
        )
    whole = next(length for length in COEFFICIENTS[meant] if length >= D.size)
    return meant, np.pad(D, (0, whole - D.size))


def _without_zeros_after(D: np.ndarray, count: int) -> np.ndarray:
    """Zeros at the end are cut, down to `count` numbers: an equidistant lens with four zeros is one all the same."""
    last = np.flatnonzero(D)
    return D[: max(count, last[-1] + 1 if last.size else 0)]
