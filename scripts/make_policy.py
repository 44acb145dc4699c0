"""Write the SROS2 policy of the nodes, from what they use while they run:

    source scripts/environment.sh && python scripts/make_policy.py --cameras left right > refit.policy.xml

Without --cameras it gives config/sros2/refit.policy.xml.
"""

from __future__ import annotations

import argparse
import sys

from refit_ros.node.policy import NODES, policy, used_at_most


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the SROS2 policy of the nodes, from what they use while they run.")
    parser.add_argument("--cameras", nargs="+", default=["camera"], metavar="NAME", help="the nodes' parameter `cameras`")
    parser.add_argument("--enclave", default="", help="what stands before the enclaves' names, for example /robot")
    args = parser.parse_args()
    used = {which: used_at_most(which, cameras=tuple(args.cameras)) for which in NODES}
    sys.stdout.write(policy(used, args.enclave))
    return 0


if __name__ == "__main__":
    sys.exit(main())
