"""What a hundred lifecycles of a node leave behind, in a process of their own:

    python test/node/lifecycles.py

Prints what the process holds after twenty and after a hundred of them, as JSON. In a process that ran other tests before,
memory grows and shrinks by what those left to the allocator, and says nothing of the node.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

LOOKS = 20, 100


def held(bench) -> dict[str, float]:
    from refit_ros.benchmarking.soak_samples import program_size

    gc.collect()
    rss_mib, threads, files = program_size()
    node = bench.node
    things = sum(len(list(each)) for each in (node.services, node.timers, node.subscriptions, node.publishers))
    return {"rss_mib": rss_mib, "threads": threads, "files": files, "things": things}


def main() -> None:
    sys.path[:0] = [str(Path(__file__).parent)]
    import rclpy
    from conftest import Bench
    from node_fakes import fake_model
    from rclpy.lifecycle import TransitionCallbackReturn

    from refit_ros.node.harness import own_domain_id

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=own_domain_id())
    bench, looks = Bench(context), []
    try:
        node = bench.start(fake_model(), activate=False)
        for number in range(1, max(LOOKS) + 1):
            for change in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate, node.trigger_cleanup):
                assert bench.within_spin(change) == TransitionCallbackReturn.SUCCESS
            if number in LOOKS:
                looks.append(held(bench))
        bench.close()
    finally:
        context.try_shutdown()
    print(json.dumps(looks))


if __name__ == "__main__":
    main()
