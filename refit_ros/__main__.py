"""The one command line: `python -m refit_ros COMMAND`.

Only the chosen command's module is imported, so that `--help` costs nothing but Python itself.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import sys
import traceback

from refit_ros import __version__, interrupt
from refit_ros.commands import COMMANDS, EXIT_BAD_INPUT, EXIT_NOT_WELL, EXIT_OK, Command

# What a user can mend is told in one sentence; anything else is a mistake of this program and keeps its traceback.
EXPECTED_ERRORS = (ValueError, OSError, ModuleNotFoundError)
TRACEBACK_VARIABLE = "REFIT_TRACEBACK"


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds a default to an option's help where there is one to tell."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False, []) else super()._get_help_string(action)


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text before it."""

    def error(self, message: str):
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well or told to stop, 1 done but not well, 2 bad input.

    Does not return from a command that only notes signals: that ends the program (`interrupt.leave`).
    """
    try:
        code = _guarded(list(sys.argv[1:] if arguments is None else arguments))
    except Exception:
        if not interrupt.only_notes():
            raise
        traceback.print_exc()
        code = EXIT_NOT_WELL
    if interrupt.only_notes():
        interrupt.leave(code)
    return code


def _guarded(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # somebody else's stream
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        interrupt.listen()
        interrupt.end_with_parent()
        return _run(arguments)
    except KeyboardInterrupt:
        interrupt.ignore()
        return EXIT_OK
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        if interrupt.came() and not interrupt.only_notes():  # an import that was cut off by it says all sorts of things
            interrupt.ignore()
            return EXIT_OK
        if not isinstance(error, EXPECTED_ERRORS):
            raise
        print(f"refit_ros: {_sentence(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT


def _run(arguments: list[str]) -> int:
    parser = OneLineParser(
        prog="python -m refit_ros",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Live 3D human bodies (SMPL) from one or many cameras.",
        epilog=_table(),
        usage="%(prog)s COMMAND ... | COMMAND --help | --version",
    )
    parser.add_argument("--version", action="version", version=f"refit_ros {__version__}")
    parser.add_argument("command", metavar="COMMAND", help="one of the commands below")
    if not arguments:
        parser.print_help()
        return EXIT_BAD_INPUT
    name = parser.parse_args(arguments[:1]).command
    if name not in COMMANDS:
        parser.error(f"there is no command '{name}'; choose from {', '.join(_shown())}")
    return _run_command(name, COMMANDS[name], arguments[1:])


def _run_command(name: str, command: Command, arguments: list[str]) -> int:
    arguments, ros_arguments = split_ros_arguments(arguments)
    parser = OneLineParser(prog=f"python -m refit_ros {name}", description=command.help, formatter_class=DefaultsFormatter)
    if ros_arguments and not command.uses_ros:
        parser.error("--ros-args means nothing to this command, it does not use ROS")
    module = importlib.import_module(f"refit_ros.commands.{name}")
    module.add_arguments(parser)
    args = parser.parse_args(arguments)
    args.ros_arguments = ros_arguments
    if command.notes_signals:
        interrupt.only_note()
    interrupt.check()
    return int(module.run(args) or EXIT_OK)


def split_ros_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part what is the command's own from what stands between `--ros-args` and `--` (or the end), ROS's way."""
    own, ros, to_ros = [], [], False
    for argument in arguments:
        if argument == "--ros-args":
            to_ros = True
        (ros if to_ros else own).append(argument)
        if to_ros and argument == "--":
            to_ros = False
    return own, ros


def _shown() -> list[str]:
    return [name for name, command in COMMANDS.items() if not command.hidden]


def _table() -> str:
    width = max(map(len, _shown()))
    return "commands:\n" + "\n".join(f"  {name:<{width}}  {COMMANDS[name].help}" for name in _shown())


def _sentence(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        from refit_ros.commands.missing import how_to_get

        return how_to_get(error.name)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    if isinstance(error, OSError) and error.strerror:  # of a file that was open already, or a connection
        mend = ": make room, or write to another disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return f"{error.strerror.lower()}{mend} ({TRACEBACK_VARIABLE}=1 shows where)"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    _code = main()
    interrupt.ignore()  # all is done: nothing is left to be cut off
    sys.exit(_code)
