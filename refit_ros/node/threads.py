"""How many threads compute in the node, and how one hands over to another.

PyTorch's threads (OpenMP) spin while they wait for each other, and where another program has displaced one of them all
the others spin for its sake. OpenVINO's sleep. So where OpenVINO computes the convolutions it gets all threads, and the
rest, hundreds of small operations that several threads hardly make quicker, gets one.
"""

from __future__ import annotations

import os
import time


def available_threads() -> int:
    """What OMP_NUM_THREADS says, else the cores that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def all_for_the_engine() -> None:
    """Before a network is prepared, whose engine takes as many threads as torch has then."""
    import torch

    torch.set_num_threads(available_threads())


def one_for_the_rest(engine: str) -> None:
    """After it torch computes on one thread, unless the convolutions are torch's too.

    Holds for threads that have not used torch yet, as the computing thread of a node that is about to be activated.
    """
    import torch

    if engine != "torch":
        torch.set_num_threads(1)


def give_way() -> None:
    """Let the thread go on that was just woken.

    It needs Python's lock, which this thread would keep until it waits for something: an executor that looks through all it
    listens to does so for half a millisecond. Sleeping for nothing gives the lock away at once.
    """
    time.sleep(0)
