"""The flows of a case as zuko builds them."""

from typing import Any

import torch
import zuko
from flowfile import FlowFile
from library import Adapted


def build(case: dict[str, Any], file: FlowFile) -> tuple[torch.nn.Module, bool, str]:
    """The model, whether it holds our weights, and what differs."""
    flow, features = case["flow"], case["event"][2]
    count, hidden = flow.get("blocks", flow.get("steps")), flow["hidden"]
    if flow.get("transform", {}).get("kind", "affine") == "affine":
        model = zuko.flows.MAF(features, 0, transforms=count, hidden_features=hidden)
        note = "softsign scale map"
    else:
        passes = {"passes": 2} if flow["kind"] == "realnvp" else {}
        bins = flow["transform"]["bins"]
        model = zuko.flows.NSF(features, 0, bins=bins, transforms=count, hidden_features=hidden, **passes)
        note = "interval of 5, softclipped logits" + (", couplings are masked nets" if passes else "")
    return Adapted(model, lambda x: model().log_prob(x), lambda rows: model().sample((rows,))), False, note
