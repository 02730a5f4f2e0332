"""Cross-entropy of a wide head without holding all of its logits at once.

With 32,000 classes the logits of one step take half a gigabyte, and writing such blocks takes
longer than the arithmetic. So logits are computed in chunks, and the gradients with them.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 128  # positions at a time; the allocator reuses blocks of this size


class LinearCrossEntropy(torch.autograd.Function):
    """apply(hidden [N, H], weight float32 [V, H], labels int64[N]) -> mean loss, float32 scalar.

    The matrix products run in bfloat16, everything else in float32.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss, and already the gradients.

        Args:
            ctx: The context of autograd.
            hidden: [N, H], the head's inputs.
            weight: float32[V, H], the head.
            labels: int64[N], the class of each position.

        Returns:
            The mean cross-entropy in nats, a float32 scalar.
        """
        inputs, head = hidden.detach().bfloat16(), weight.detach().bfloat16()
        hidden_gradient, weight_gradient = torch.empty_like(inputs), torch.zeros_like(weight)
        total = torch.zeros((), device=inputs.device)
        for start in range(0, len(inputs), CHUNK):
            chunk, chunk_labels = inputs[start : start + CHUNK], labels[start : start + CHUNK, None]
            logits = (chunk @ head.T).float()
            normalizer = torch.logsumexp(logits, 1, keepdim=True)
            total += (normalizer - logits.gather(1, chunk_labels)).sum()
            gradient = logits.sub_(normalizer).exp_()
            gradient.scatter_add_(1, chunk_labels, gradient.new_full(chunk_labels.shape, -1.0))
            gradient = gradient.div_(len(inputs)).bfloat16()
            hidden_gradient[start : start + CHUNK] = gradient @ head
            weight_gradient += gradient.T @ chunk
        ctx.save_for_backward(hidden_gradient.to(hidden.dtype), weight_gradient)
        return total / len(inputs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Scale the gradients of `forward`.

        Args:
            ctx: The context of autograd.
            *grads: The gradient of the loss, a scalar.

        Returns:
            Gradients of hidden and weight, and None for the labels.
        """
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient * grads[0], weight_gradient * grads[0], None
