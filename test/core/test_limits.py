"""Limits: a default in one place, settable, and told with the way to set it."""

from __future__ import annotations

import pytest

from refit_ros.core import limits
from refit_ros.core.errors import InputError


def test_a_limit_is_its_default_or_what_the_environment_says(monkeypatch):
    assert limits.limit("image_megapixels") == limits.LIMITS["image_megapixels"].default
    monkeypatch.setenv(limits.variable_of("image_megapixels"), "3")
    assert limits.limit("image_megapixels") == 3
    limits.check(3_000_000, "image_megapixels", "it has 3 megapixels", 1_000_000)
    with pytest.raises(InputError, match="4 megapixels, more than the limit of 3.*REFIT_LIMIT_IMAGE_MEGAPIXELS"):
        limits.check(4_000_000, "image_megapixels", "it has 4 megapixels", 1_000_000)


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1e3", "9" * 40, "²"])
def test_nonsense_in_the_environment_is_told(monkeypatch, text):
    monkeypatch.setenv("REFIT_LIMIT_PARAMETERS", text)
    with pytest.raises(InputError, match="REFIT_LIMIT_PARAMETERS"):
        limits.limit("parameters")
