"""Cross-entropy of a wide head without ever holding all of its logits.

With 32,000 classes the logits of one step take half a gigabyte, and filling such blocks costs more
than the mathematics. Here they come and go in chunks, and the gradients are made on the way.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 128  # positions at a time: blocks this small are reused, larger ones come from the system


class LinearCrossEntropy(torch.autograd.Function):
    """apply(hidden [N, H], weight float32 [V, H], labels int64[N]) -> mean loss, float32 scalar.

    The products run in bfloat16, everything else in float32.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        x, w = hidden.detach().bfloat16(), weight.detach().bfloat16()
        from_hidden, from_weight = torch.empty_like(x), torch.zeros_like(weight)
        total = torch.zeros((), device=x.device)
        for at in range(0, len(x), CHUNK):
            rows, wanted = x[at : at + CHUNK], labels[at : at + CHUNK, None]
            logits = (rows @ w.T).float()
            normalizer = torch.logsumexp(logits, 1, keepdim=True)
            total += (normalizer - logits.gather(1, wanted)).sum()
            change = logits.sub_(normalizer).exp_()
            change.scatter_add_(1, wanted, change.new_full(wanted.shape, -1.0))
            change = change.div_(len(x)).bfloat16()
            from_hidden[at : at + CHUNK] = change @ w
            from_weight += change.T @ rows
        ctx.save_for_backward(from_hidden.to(hidden.dtype), from_weight)
        return total / len(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        from_hidden, from_weight = ctx.saved_tensors
        return from_hidden * grads[0], from_weight * grads[0], None
