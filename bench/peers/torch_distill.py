"""The distillation step of flowstill in plain PyTorch: NLL, LKD, ILKD, and SKD from a pool of shared noise."""

import math
from typing import Any

import torch
from plain_flow import PlainFlow, normal_log_prob
from torch import Tensor
from torch_work import CHECKED, TorchWork


class DistillWork(TorchWork):
    """A student beside its frozen teacher."""

    def __init__(self, student: PlainFlow, teacher: PlainFlow, case: dict[str, Any], x: Tensor, options: set[str]) -> None:
        super().__init__(student, case, x, options)
        self.teacher = teacher.requires_grad_(False).freeze()
        self.weights, self.step = case["distill"], 0
        dimensions = student.dimensions
        self.unit_of_loss = 1.0 if student.table else 1.0 / (dimensions * math.log(2.0))
        self.pairs = self.aligned(student, teacher)
        with torch.no_grad():
            noise = [student.noise(self.batch) for _ in range(self.weights["pool"] // self.batch)]
            self.pool = [(draw, teacher.inverse(draw)) for draw in noise]

    @staticmethod
    def aligned(student: PlainFlow, teacher: PlainFlow) -> list[tuple[int, int, int]]:
        """Level, student step and teacher step, from 0: evenly on tables, the ends of the levels on pictures."""
        depths = list(zip(map(len, student.levels), map(len, teacher.levels)))
        if not student.table:
            return [(level, j - 1, k - 1) for level, (j, k) in enumerate(depths)]
        ((j, k),) = depths
        return [(0, i - 1, max(1, math.floor(i * k / j + 0.5)) - 1) for i in range(1, j + 1)]

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """NLL, LKD and ILKD of a batch."""
        latents, log_det, states = self.model.latents(x)
        nll = -(sum(normal_log_prob(z) for z in latents) + log_det).mean() * self.unit_of_loss
        with torch.no_grad():
            target, _, taught = self.teacher.latents(x)
        sizes = [z[0].numel() / self.model.dimensions for z in latents]
        lkd = sum((s - t).abs().mean() * size for s, t, size in zip(latents, target, sizes))
        each = [(states[level][i] - taught[level][k]).abs().mean() for level, i, k in self.pairs]
        return nll, lkd, sum(each) / len(each)

    def loss(self, x: Tensor, noise: list[Tensor], target: Tensor) -> Tensor:
        weights = self.weights
        nll, lkd, ilkd = self.terms(x)
        skd = (self.model.inverse(noise) - target).abs().mean()
        left = 1.0 - weights["lkd"] - weights["ilkd"] - weights["skd"]
        return left * nll + weights["lkd"] * lkd + weights["ilkd"] * ilkd + weights["skd"] * skd

    def batch_of_loss(self) -> tuple:
        self.step += 1
        return (*super().batch_of_loss(), *self.pool[self.step % len(self.pool)])

    def check(self) -> list[float]:
        with torch.no_grad():
            first = self.model.log_prob(self.x[:CHECKED]).tolist()
            return first + [term.item() for term in self.terms(self.x[: self.batch])[1:]]
