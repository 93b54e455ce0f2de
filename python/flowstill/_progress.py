"""Draw the progress of a run on standard error."""

from __future__ import annotations

import sys
from typing import Any


def bar(event: dict[str, Any]) -> None:
    """Show how a run goes: `flowstill.fit(rows, progress=flowstill.bar)`."""
    kind, label = event["kind"], event.get("label", "")
    if kind == "step":
        done = int(30 * event["step"] / max(event["total"], 1))
        text = f"{label} [{'#' * done}{'.' * (30 - done)}] {event['step']}/{event['total']} loss {event['loss']:.4f}"
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
    elif kind == "ended":
        print(file=sys.stderr)
    elif kind in ("remark", "note", "done"):
        print(": ".join(part for part in (label, event["text"]) if part), file=sys.stderr)
