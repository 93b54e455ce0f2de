"""Put a flow into torch: differentiable in the data and the context, its weights constant.

Nothing is computed here; the compiled flow gives values and gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ._flowstill import Flow as _Flow


def _array(value: torch.Tensor | None) -> Any:
    """The values of a tensor as an array, where they lie if that can be."""
    return None if value is None else value.detach().cpu().numpy()


def _like(value: Any, tensor: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(value).to(device=tensor.device, dtype=tensor.dtype)


def _sum_to(gradient: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The gradient of a context that stood for all rows."""
    return gradient if gradient.shape == shape else gradient.sum(0)


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, context: torch.Tensor | None, flow: _Flow) -> torch.Tensor:
        if not any(ctx.needs_input_grad):
            return _like(flow.log_prob(_array(x), _array(context)), x)
        value, d_x, d_context = flow.log_prob_with_gradients(_array(x), _array(context))
        ctx.d_x = _like(d_x, x)
        ctx.d_context = None if d_context is None or context is None else _like(d_context, context)
        ctx.shape = None if context is None else context.shape
        return _like(value, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        each = gradient.unsqueeze(-1)
        d_context = None
        if ctx.d_context is not None:
            d_context = _sum_to(ctx.d_context * each.to(ctx.d_context.dtype), ctx.shape)
        return ctx.d_x * each, d_context, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, context: torch.Tensor | None, flow: _Flow) -> torch.Tensor:
        ctx.save_for_backward(z, context)
        ctx.flow = flow
        return _like(flow.decode(_array(z), _array(context)), z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        z, context = ctx.saved_tensors
        d_z, d_context = ctx.flow.decode_pullback(_array(z), _array(gradient), _array(context))
        given = None if context is None else _sum_to(_like(d_context, context), context.shape)
        return _like(d_z, z), given, None


class Flow(torch.nn.Module):
    """A flow over a table as a module: `log_prob` and `decode` have gradients with respect to what they are given, once; the weights are constant."""

    def __init__(self, flow: _Flow) -> None:
        super().__init__()
        self.flow = flow

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Log-density of each row, nats: x of shape (n, columns), context (n, context columns) or (context columns,)."""
        out: torch.Tensor = _LogProb.apply(x, context, self.flow)
        return out

    forward = log_prob

    def encode(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Rows to latents, without gradients."""
        return _like(self.flow.encode(_array(x), _array(context)), x)

    def decode(self, z: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Latents to rows."""
        out: torch.Tensor = _Decode.apply(z, context, self.flow)
        return out

    def rsample(self, n: int, context: torch.Tensor | None = None, *, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Draw n rows, differentiable in one context of shape (context columns,): its latents are held."""
        drawn = torch.from_numpy(self.flow.sample(n, _array(context), seed=seed)).to(dtype)
        return self.decode(self.encode(drawn, context), context)
