"""Build one peer's flow and time what it is asked for: a JSON line in, a JSON line out, as flowstill's own worker."""

import argparse
import importlib
import json
import os
import sys
import warnings
from typing import Any

import numpy as np


def peak_mib() -> float:
    """The most memory that this process has held."""
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024.0


def build(peer: str, options: set[str], threads: int, request: dict[str, Any]) -> Any:
    """The work of a case."""
    case, x = request["case"], np.load(request["data"])
    if peer == "flowjax":
        return importlib.import_module("flowjax_peer").FlowjaxWork(case, x)
    import torch

    torch.manual_seed(request["seed"])
    torch.set_num_threads(threads)
    from flowfile import FlowFile
    from plain_flow import PlainFlow
    from torch_work import TorchWork

    rows = torch.from_numpy(x)
    if peer == "torch" and case["what"] == "distill":
        from torch_distill import DistillWork

        work = DistillWork(PlainFlow(request["save"]), PlainFlow(request["teacher"]), case, rows, options)
        work.imported, work.note = True, ""
        return work
    model, imported, note = PlainFlow(request["save"]), True, ""
    if peer != "torch":
        model, imported, note = importlib.import_module(f"{peer}_peer").build(case, FlowFile(request["save"]))
    work = TorchWork(model, case, rows, options)
    work.imported, work.note = imported, note
    return work


def answer(work: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to all but `build`."""
    if request["op"] == "check":
        return {"values": work.check(), "imported": work.imported, "note": work.note, "round_trip": work.round_trip()}
    if request["op"] == "warm":
        work.prepare()
        return {"rss_mib": peak_mib()}
    if request["op"] == "run":
        count, unit, seconds = work.run(request["seconds"])
        return {"count": count, "unit": unit, "seconds": seconds, "rss_mib": peak_mib()}
    raise ValueError(f"no op {request['op']}")


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True, help="torch, normflows, nflows, zuko or flowjax, with +compile, +channels_last")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    peer, *options = arguments.peer.split("+")
    warnings.filterwarnings("ignore")
    # Libraries may print; the answers have standard output for themselves.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Imports take seconds: every worker of a case begins with them while the first ones are asked to build.
    importlib.import_module("flowjax_peer" if peer == "flowjax" else "torch_work")
    work: Any = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["op"] == "build":
                work = build(peer, set(options), arguments.threads, request)
                reply = {"parameters": work.parameters(), "rss_mib": peak_mib()}
            else:
                reply = answer(work, request)
        except Exception as error:  # whatever a library throws is a reason to report, not to hang
            text = " ".join(str(error).split())
            reply = {"error": f"{type(error).__name__}: {text[:300]}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
