"""Why an address cannot be listened on, for people."""

from __future__ import annotations

import errno
import socket

FIRST_FREE_PORT = 1024


def why_not_listen(listen: str) -> str:
    """Why `host:port` cannot be listened on; empty if it can. It is tried, and given back."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(
            host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        return f"{error.strerror or error}: {host!r} is no address or host name that is known here"
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()
        except OSError as error:
            return _in_words(error, host, int(port))
    return ""


def _in_words(error: OSError, host: str, port: int) -> str:
    said = error.strerror or str(error)
    if error.errno == errno.EACCES and port < FIRST_FREE_PORT:
        return (
            f"{said}: port {port} needs root or CAP_NET_BIND_SERVICE;"
            f" pick one above {FIRST_FREE_PORT - 1}"
        )
    if error.errno == errno.EADDRINUSE:
        return f"{said}: another program has port {port}; stop it, or pick another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{said}: this machine has no address {host}"
    return said
