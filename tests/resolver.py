"""Runs a command where nothing can be reached, and prints the names that it asks for.

    unshare --map-root-user --net --mount python tests/resolver.py NAME SECONDS COMMAND...

In the namespaces that `unshare` makes, the only network is loopback, and the only name server is
here: it notes each question, and answers that there is no such name. The command is ended when it
has asked for NAME and SECONDS have passed.
"""

import fcntl
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SIOCSIFFLAGS = 0x8914
UP = 0x1
NO_SUCH_NAME = 0x8183  # a response, recursion desired and available, NXDOMAIN
HEADER = struct.Struct("!HHHHHH")
PATIENCE = 60.0  # seconds within which NAME must be asked for


def main(name: str, seconds: str, *command: str) -> None:
    """Run a command, and print the names."""
    asked: set[str] = set()
    started = time.monotonic()
    _start_loopback()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=_answer, args=(server, asked), daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        settings.write("nameserver 127.0.0.1\n")
        settings.flush()
        subprocess.run(["mount", "--bind", settings.name, "/etc/resolv.conf"], check=True)
        process = subprocess.Popen(command)
        while process.poll() is None and (passed := time.monotonic() - started) < PATIENCE:
            if name in asked and passed >= float(seconds):
                break
            time.sleep(0.05)
        process.terminate()
        process.wait()
    print(*sorted(asked), sep="\n")


def _start_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def _answer(server: socket.socket, asked: set[str]) -> None:
    while True:
        packet, client = server.recvfrom(4096)
        number, *_ = HEADER.unpack_from(packet)
        labels, place = [], HEADER.size
        while length := packet[place]:
            labels.append(packet[place + 1 : place + 1 + length].decode("ascii", "replace"))
            place += 1 + length
        asked.add(".".join(labels))
        question = packet[HEADER.size : place + 5]
        server.sendto(HEADER.pack(number, NO_SUCH_NAME, 1, 0, 0, 0) + question, client)


if __name__ == "__main__":
    main(*sys.argv[1:])
