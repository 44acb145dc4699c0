"""Lets the tests of people import what they share (`oracle`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
