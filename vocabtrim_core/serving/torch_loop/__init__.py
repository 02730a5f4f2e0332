"""Lossless greedy speculative decoding in plain torch: a target, an EAGLE-3 draft, one sequence.

It needs no server and no GPU, so a draft can be measured on any machine. On a GPU a whole cycle of
drafting and verifying is one CUDA graph.
"""

from vocabtrim_core.serving.torch_loop.loop import TorchLoop

__all__ = ["TorchLoop"]
