"""Lets the tests of the core import what they share (`parity_case`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
