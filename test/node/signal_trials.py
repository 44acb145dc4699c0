"""Signals at random moments from `exec` on: python test/node/signal_trials.py --trials 200 [--only idle] [--seed 0]
Of another command than `node`: python test/node/signal_trials.py --trials 20 --command evaluate --suite people

Half of the programs only start and wait; half compute without a pause, images coming, with a fake network. Prints every
trial that ended with another code than 0, a traceback, or later than 5 s after the signal; ends with 1 where there is one.
A signal that comes while Python itself still starts, before any line of this package, ends as Python ends it (by the signal,
or with 1 and its own word on the import that was cut off); those are counted, and are not wrong. So is how much of the
processor other programs took: on a busy machine 5 s are no measure.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from refit_ros.node.other_work import machine_used_s, others_share

HERE = Path(__file__).parent
# As the real one, but its model is a fake that takes a while; images come from another process.
COMPUTING = f"""
import os, signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os._exit(0))
import sys
sys.path.insert(0, {str(HERE)!r})
from refit_ros import interrupt
from refit_ros.__main__ import main
import refit_ros.commands.node as command
def run(args):
    from node_fakes import fake_model
    from refit_ros.node import refit_node
    from refit_ros.node.program import run_node
    refit_node.RefitNode.__init__.__defaults__ = (lambda *_: fake_model(delay_s=0.2), refit_node.NAME)
    return run_node(args.ros_arguments)
command.run = run
sys.exit(main(["node"]))
"""
# Publishes a calibrated image at 20 Hz to whoever listens.
IMAGES = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from node_fakes import image_message, info_message
rclpy.init()
node = rclpy.create_node("camera_driver")
infos = node.create_publisher(CameraInfo, "/camera/camera_info", qos_profile_sensor_data)
images = node.create_publisher(Image, "/camera/image_raw", qos_profile_sensor_data)
print("publishing", flush=True)
while True:
    stamp_ns = time.time_ns()
    infos.publish(info_message(stamp_ns))
    images.publish(image_message(stamp_ns))
    time.sleep(0.05)
"""
TOO_LATE_S = 5.0
GIVE_UP_S = 60.0


def environment() -> dict[str, str]:
    given = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, "ROS_DOMAIN_ID": str(40 + os.getpid() % 60), **given}


def trial(program: list[str], number: signal.Signals, after_s: float, log: Path) -> tuple[int, float, str]:
    """Exit code, seconds from the signal to the end, and what it said."""
    with log.open("w") as output:
        child = subprocess.Popen([sys.executable, *program], stdout=output, stderr=subprocess.STDOUT, env=environment())
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        pass
    child.send_signal(number)
    sent_s = time.monotonic()
    try:
        code = child.wait(GIVE_UP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        code = child.wait()
    return code, time.monotonic() - sent_s, log.read_text(errors="replace")


def children_s() -> float:
    """Processor time of this program and those that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def before_this_package(code: int, number: signal.Signals, said: str) -> bool:
    """Whether Python itself was still starting: it ended by the signal or in its own modules, and nothing here was read."""
    return code in (-number, 1) and "refit_ros/" not in said and "INFO" not in said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--longest", type=float, default=8.0, help="the signal comes within so many seconds from exec on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["idle", "computing"])
    parser.add_argument("--command", nargs=argparse.REMAINDER, help="this command of refit_ros, in place of the node")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us in the background has it ignored
    programs = {"idle": ["-m", "refit_ros", "node"], "computing": ["-c", COMPUTING]}
    if args.command:
        programs = {args.command[0]: ["-m", "refit_ros", *args.command]}
    kinds = [args.only] if args.only else list(programs)
    with tempfile.TemporaryDirectory() as folder:
        driver = subprocess.Popen([sys.executable, "-c", IMAGES], env=environment(), stdout=subprocess.PIPE)
        driver.stdout.readline()
        try:
            wrong, early, took_s = 0, 0, []
            begun_s, used_s, own_s = time.monotonic(), machine_used_s(), children_s()
            for index in range(args.trials):
                kind = kinds[index % len(kinds)]
                number = chance.choice([signal.SIGINT, signal.SIGTERM])
                after_s = chance.uniform(0.0, args.longest)
                code, end_s, said = trial(programs[kind], number, after_s, Path(folder) / "log")
                took_s.append(end_s)
                if before_this_package(code, number, said):
                    early += 1
                elif code != 0 or "Traceback" in said or end_s > TOO_LATE_S:
                    wrong += 1
                    print(
                        f"{index} {kind} {number.name} after {after_s:.3f} s: code {code}, {end_s:.1f} s\n{said}", flush=True
                    )
        finally:
            driver.kill()
            driver.wait()
    took_s.sort()
    middle, last = took_s[len(took_s) // 2], took_s[-1]
    others = others_share(used_s, machine_used_s(), children_s() - own_s, time.monotonic() - begun_s)
    print(
        f"{args.trials} trials, {wrong} wrong; {early} while Python itself started; from signal to end {middle:.2f} s "
        f"(median), {last:.2f} s (longest); other programs took {100 * (others or 0):.0f} % of the processor"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
