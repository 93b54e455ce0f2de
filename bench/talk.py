"""Start a worker, speak JSON lines with it, and give up on one that does not answer."""

import json
import os
import pathlib
import select
import subprocess
import time
from typing import Any


class WorkerError(Exception):
    """A worker said why it cannot, died, or did not answer in time."""


class Worker:
    """A process that answers one line per line."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: pathlib.Path, cores: set[int]) -> None:
        self.name = name
        pin = (lambda: os.sched_setaffinity(0, cores)) if hasattr(os, "sched_setaffinity") else None
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, preexec_fn=pin
            )
        self.log, self.rest = log, b""

    def send(self, request: dict[str, Any]) -> None:
        """Put a request; its answer is taken by `receive`."""
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerError(self.last_words()) from error

    def receive(self, limit: float) -> dict[str, Any]:
        """The answer, within so many seconds."""
        until = time.monotonic() + limit
        while b"\n" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                self.close()
                raise WorkerError(f"no answer within {limit:.0f} s")
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                raise WorkerError(self.last_words())
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def ask(self, request: dict[str, Any], limit: float = 600.0) -> dict[str, Any]:
        """Send and receive."""
        self.send(request)
        return self.receive(limit)

    def last_words(self) -> str:
        """The last line that it wrote to standard error."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"it ended: {lines[-1][:300] if lines else 'without a word'}"

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
