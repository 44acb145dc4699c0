"""viser's server: where it listens, and a sentence where it cannot."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viser import ViserServer

LOCAL_HOST, PORT = "127.0.0.1", 8080


def start_server(host: str, port: int) -> ViserServer:
    """Listening, without a word. Port 0: any that is free. Raises ValueError with a sentence where that cannot be done."""
    if importlib.util.find_spec("viser") is None:
        raise ModuleNotFoundError("No module named 'viser'", name="viser")  # the command line says how to get it
    port = _free_port(host, port)
    from viser import ViserServer

    with contextlib.redirect_stdout(io.StringIO()):
        server = ViserServer(host=host, port=port, verbose=False)
    if server.get_port() != port:  # viser takes the next one where somebody was quicker
        stop_server(server)
        raise ValueError(_in_use(port))
    return server


def stop_server(server: ViserServer) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def _free_port(host: str, port: int) -> int:
    """Raises ValueError where nobody can listen there."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ValueError(f"'{host}' is no address of this machine: give --host 127.0.0.1, or 0.0.0.0 for all") from None
    family, kind, protocol, _, address = addresses[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == 98 or isinstance(error, PermissionError):
                raise ValueError(_in_use(port)) from None
            raise ValueError(f"nobody can listen on {host}: {error.strerror}; give --host 127.0.0.1, or 0.0.0.0") from None
        return probe.getsockname()[1]


def _in_use(port: int) -> str:
    return f"port {port} is in use or not allowed: give another one by --port, or --port 0 for any that is free"
