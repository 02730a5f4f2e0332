"""Lossless greedy speculative decoding in plain torch: a target, an EAGLE-3 draft, one sequence.

It needs no server and no GPU, so what a draft does to a target can be measured anywhere; where
there is a GPU, a whole cycle of drafting and verifying is one CUDA graph.
"""

from vocabtrim_core.serving.torch_loop.loop import TorchLoop

__all__ = ["TorchLoop"]
