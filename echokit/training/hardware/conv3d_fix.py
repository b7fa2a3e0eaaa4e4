"""Avoid wrong gradients of 3D convolutions on CPUs.

If the kernel covers more frames than the clip has, the oneDNN of torch 2.15 can compute the gradient of the kernel from
uninitialised memory. Measured on a CPU with AVX512-BF16: bfloat16 with a kernel of 3 frames on 2 frames (as in the last
stage of an r3d_18 on 16 frames) is off by 80 % or infinite, and differs each time; float32 with a kernel of 7 frames
and stride 2 on 6 frames is infinite, and on 5 frames the process crashes. Outputs are correct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def avoid_conv3d_gradient_bug(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Pad short clips before a convolution rather than in it, inside the block.

    The sum is the same, and the kernel is never longer than the clip. Only on a CPU, and only if the kernel covers more
    frames than the clip has; otherwise not a bit changes. Convolutions with their own ``forward`` or with padding by
    name (``same``) are not changed.
    """
    guarded: list[nn.Conv3d] = []
    if device.type == "cpu":
        convolutions = [m for m in model.modules() if isinstance(m, nn.Conv3d) and m.padding_mode == "zeros"]
        usual = [m for m in convolutions if type(m).forward is nn.Conv3d.forward]
        guarded = [m for m in usual if "forward" not in vars(m)]
    for module in guarded:
        module.forward = _padded_first(module)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for module in guarded:
            del module.forward


def _padded_first(module: nn.Conv3d) -> Callable[[Tensor], Tensor]:
    usual = module.forward
    reach = module.dilation[0] * (module.kernel_size[0] - 1) + 1

    def forward(input: Tensor) -> Tensor:
        if isinstance(module.padding, str) or module.padding[0] == 0 or input.shape[-3] >= reach:
            return usual(input)
        frames, *space = module.padding
        padded = functional.pad(input, (0, 0, 0, 0, frames, frames))
        return functional.conv3d(
            padded, module.weight, module.bias, module.stride, (0, *space), module.dilation, module.groups
        )

    return forward
