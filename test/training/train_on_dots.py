"""`python -m refit_ros train` with people of dots; run by a test under torchrun."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dot_people import DotSource  # noqa: E402

import refit_ros.synthetic.samples  # noqa: E402
from refit_ros.__main__ import main  # noqa: E402

if __name__ == "__main__":
    refit_ros.synthetic.samples.SampleSource = DotSource
    sys.exit(main(["train", *sys.argv[1:]]))
