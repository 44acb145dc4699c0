"""Write the SROS2 policy of the node, from what it uses while it runs:

    source scripts/environment.sh && python scripts/make_policy.py --cameras left right > refit.policy.xml

Without --cameras it gives config/sros2/refit.policy.xml.
"""

from __future__ import annotations

import argparse
import sys

from refit_ros.node.model import load_model
from refit_ros.node.policy import policy, used_at_most


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the SROS2 policy of the node, from what it uses while it runs.")
    parser.add_argument("--cameras", nargs="+", default=["camera"], metavar="NAME", help="the node's parameter `cameras`")
    parser.add_argument("--enclave", default="/refit", help="where the policy is to hold")
    args = parser.parse_args()
    sys.stdout.write(policy(used_at_most(load_model, tuple(args.cameras)), args.enclave))
    return 0


if __name__ == "__main__":
    sys.exit(main())
