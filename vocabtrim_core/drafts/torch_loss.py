"""EAGLE-3's loss in plain torch, with the interface of SpecForge's Triton kernel.

    loss = -mean over positions of mask * sum over the draft vocabulary of p_target * log softmax

The launcher puts this module in the place of `specforge.core.loss` where Triton or CUDA is missing.
Like the kernel it skips positions whose mask is zero. It imports nothing but torch, because it runs
in the trainer's environment, not in ours.
"""

from __future__ import annotations

from typing import Any

import torch

ROWS = 128  # positions at a time: the float32 work stays in the processor's cache


class LogSoftmaxLoss(torch.autograd.Function):
    """apply(logits [B, L, k], target [B, L, k], position_mask [B, L, 1]) -> scalar float32."""

    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, target: torch.Tensor, position_mask: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss.

        Args:
            ctx: The context of autograd.
            logits: [B, L, k], the draft's logits.
            target: [B, L, k], the target's probabilities.
            position_mask: [B, L, 1], 1 for positions that count.

        Returns:
            The loss, a float32 scalar, averaged over all B x L positions.
        """
        x, p = logits.flatten(0, -2), target.flatten(0, -2)
        mask = position_mask.reshape(-1).float()
        rows = mask.nonzero().flatten()
        normalizers = torch.zeros(len(rows), 1, device=x.device)
        total = torch.zeros((), device=x.device)
        for start in range(0, len(rows), ROWS):
            chunk = rows[start : start + ROWS]
            row, weights = x[chunk].float(), p[chunk].float()
            normalizer = torch.logsumexp(row, 1, keepdim=True)
            normalizers[start : start + ROWS] = normalizer
            total -= (weights.mul_(row.sub_(normalizer)).sum(1) * mask[chunk]).sum()
        ctx.save_for_backward(logits, target, mask, rows, normalizers)
        return total / len(mask)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Compute the gradient of the logits.

        Args:
            ctx: The context of autograd.
            *grads: The gradient of the loss, a scalar.

        Returns:
            [B, L, k], the gradient of the logits; None for the two other inputs.
        """
        logits, target, mask, rows, normalizers = ctx.saved_tensors
        x, p = logits.flatten(0, -2), target.flatten(0, -2)
        gradient = torch.zeros_like(x)
        scale = (grads[0] / len(mask)).float()
        for start in range(0, len(rows), ROWS):
            chunk = rows[start : start + ROWS]
            weights = p[chunk].float()
            difference = x[chunk].float().sub_(normalizers[start : start + ROWS]).exp_()
            difference.mul_(weights.sum(1, keepdim=True)).sub_(weights)
            gradient[chunk] = difference.mul_((mask[chunk] * scale)[:, None]).to(gradient.dtype)
        return gradient.view_as(logits), None, None
