"""Tensor names of video ResNets for the image ResNets of torchvision and timm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

_Renaming = tuple[tuple[str, str], ...]


def _of_pytorchvideo(stages: str) -> _Renaming:
    """Return the names in a ResNet of pytorchvideo, by its residual stages."""
    numbered = zip("123", "abc", strict=True)
    return (
        (r"^conv1\.", "blocks.0.conv."),
        (r"^bn1\.", "blocks.0.norm."),
        *((rf"^layer{layer}\.(\d+)\.", rf"blocks.{block}.res_blocks.\1.") for layer, block in enumerate(stages, 1)),
        (r"\.bn(\d)\.", r".norm\1."),
        (r"\.downsample\.0\.", ".branch1_conv."),
        (r"\.downsample\.1\.", ".branch1_norm."),
        *((rf"\.(conv|norm){number}\.", rf".branch2.\1_{letter}.") for number, letter in numbered),
    )


_VIDEO_RESNETS: tuple[_Renaming, ...] = (
    (  # torchvision's
        (r"^conv1\.", "stem.0."),
        (r"^bn1\.", "stem.1."),
        (r"^(layer\d\.\d+)\.conv(\d)\.", r"\1.conv\2.0."),
        (r"^(layer\d\.\d+)\.bn(\d)\.", r"\1.conv\2.1."),
    ),
    _of_pytorchvideo("1234"),
    _of_pytorchvideo("1345"),  # its second block is a pooling over time
)


def video_names(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield an image ResNet's tensors by the names of each video ResNet."""
    for renaming in _VIDEO_RESNETS:
        named = {}
        for name, tensor in tensors.items():
            for pattern, replacement in renaming:
                name = re.sub(pattern, replacement, name)
            named[name] = tensor
        yield named
