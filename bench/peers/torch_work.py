"""Time one PyTorch flow at training or inference."""

import time
from typing import Any, Callable

import torch
from plain_flow import PlainFlow
from plain_layers import MaskedAutoregressive
from torch import Tensor, nn

CHECKED = 64
TABLE_DIMS = 2


def picture_or_table(x: Tensor, channels_last: bool) -> Tensor:
    """From `[rows, height, width, channels]` to what PyTorch likes."""
    if x.shape[1] * x.shape[2] == 1:
        return x.flatten(1).contiguous()
    x = x.permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


class TorchWork:
    """A model with `log_prob` and `sample`, and the work of a case."""

    def __init__(self, model: nn.Module, case: dict[str, Any], x: Tensor, options: set[str]) -> None:
        self.options, self.case = options, case
        self.x = picture_or_table(x, "channels_last" in options)
        self.what, self.batch = case["what"], case["batch"]
        self.count = case.get("peer_batch", self.batch)
        self.order, self.at = torch.randperm(len(self.x)), 0
        if "channels_last" in options:
            for part in model.parameters():
                if part.dim() == 4:
                    part.data = part.data.contiguous(memory_format=torch.channels_last)
        self.model = model
        with torch.no_grad():
            # Data-dependent normalisations are set by their first batch.
            model.log_prob(self.x[:CHECKED])

    def parameters(self) -> int:
        """How many values the optimiser moves."""
        return sum(part.numel() for part in self.model.parameters() if part.requires_grad)

    def check(self) -> list[float]:
        """Log-densities of the first rows."""
        with torch.no_grad():
            return self.model.log_prob(self.x[:CHECKED]).tolist()

    def round_trip(self) -> float | None:
        """The largest error of inverse after forward, where the flow shows both."""
        if not isinstance(self.model, PlainFlow):
            return None
        with torch.no_grad():
            x = self.x[: min(CHECKED, self.batch)]
            return (self.model.inverse(self.model.latents(x)[0]) - x).abs().max().item()

    def compiled(self, function: Callable) -> Callable:
        """The function through inductor, if the options say so."""
        return torch.compile(function, dynamic=False) if "compile" in self.options else function

    def loss(self, x: Tensor) -> Tensor:
        """What a training minimises."""
        return -self.model.log_prob(x).mean()

    def batch_of_loss(self) -> tuple:
        """The arguments of the loss at the next step."""
        if self.at + self.batch > len(self.x):
            self.order, self.at = torch.randperm(len(self.x)), 0
        self.at += self.batch
        return (self.x[self.order[self.at - self.batch : self.at]],)

    def prepare(self) -> None:
        """Set up the call that is timed, and warm it up."""
        if self.what in ("train", "distill"):
            optimiser = torch.optim.Adam(self.model.parameters(), lr=5e-4, fused=True)
            loss_of = self.compiled(self.loss)

            def call() -> None:
                optimiser.zero_grad(set_to_none=True)
                loss = loss_of(*self.batch_of_loss())
                loss.backward()
                optimiser.step()
                if not torch.isfinite(loss):
                    raise ValueError("the loss is not finite")

            self.call, self.each, self.unit = call, 1, "steps"
        else:
            self.call, self.unit = self.inference(), "rows"
        for _ in range(2):
            self.call()

    def inference(self) -> Callable[[], Any]:
        """The call of an inference case."""
        self.model.eval()
        for part in self.model.parameters():
            part.requires_grad_(False)
        if isinstance(self.model, PlainFlow):
            self.model.freeze()
        if self.what == "sample":
            self.each = self.count
            return self.sampling()
        self.each = 1 if self.what == "latency" else self.batch
        log_prob, x = self.compiled(self.model.log_prob), self.x[: self.each].clone(memory_format=torch.preserve_format)

        def call() -> Tensor:
            with torch.inference_mode():
                return log_prob(x)

        return call

    def sampling(self) -> Callable[[], Any]:
        """Draw samples; of autoregressive flows one pass is compiled, not all of them in one graph."""
        model, count, draw = self.model, self.count, self.model.sample
        if isinstance(model, PlainFlow):
            blocks = [part for part in model.modules() if isinstance(part, MaskedAutoregressive)]
            for block in blocks:
                block.step = self.compiled(block.one_pass)
            inverse = model.inverse if blocks else self.compiled(model.inverse)
            draw = lambda rows: inverse(model.noise(rows))
        elif "compile" in self.options:
            draw = self.compiled(model.sample)

        def call() -> Tensor:
            with torch.inference_mode():
                return draw(count)

        return call

    def run(self, seconds: float) -> tuple[float, str, float]:
        """Repeat the call for so many seconds: units done, their name, seconds."""
        begun, calls = time.perf_counter(), 0
        while True:
            self.call()
            calls += 1
            passed = time.perf_counter() - begun
            if passed >= seconds:
                return float(calls * self.each), self.unit, passed
