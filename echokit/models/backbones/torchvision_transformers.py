"""Video transformers of torchvision: multiscale attention (MViT) and shifted windows (Swin)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.models.backbones.from_library import FromTorchvision

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class MViTV2S(FromTorchvision):
    """MViTv2-S: 768 features, 34 million parameters a stream.

    Its relative position embeddings have the size of 16 frames of 224x224 and are interpolated to that of the clips, so
    that the same weights fit clips of any size. Source: Li et al. 2022, MViTv2, arXiv:2112.01526.

    Args:
        stochastic_depth: Rate at which the last block is skipped in training; earlier ones proportionally less.
    """

    model_name = "mvit_v2_s"

    def __init__(self, *, stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.2) -> None:
        self.stochastic_depth = stochastic_depth

    def build(self, shape: InputShape) -> nn.Module:
        """Build the transformer for clips of exactly this size."""
        from torch import nn
        from torchvision.models.video import mvit_v2_s

        from echokit.models.backbones.library import LibraryBackbone, count_patches, take_channels

        body = mvit_v2_s(weights=None, stochastic_depth_prob=self.stochastic_depth)
        features = body.head[1].in_features
        body.head = nn.Identity()
        take_channels(body, shape.channels)
        frames, height, width = count_patches(shape, body.conv_proj.stride)
        body.pos_encoding.temporal_size, body.pos_encoding.spatial_size = frames, (height, width)
        return LibraryBackbone(body, features)


class Swin3DT(FromTorchvision):
    """Swin3D-T (Video Swin Transformer): 768 features, 28 million parameters a stream.

    Source: Liu et al. 2022, Video Swin Transformer, arXiv:2106.13230.

    Args:
        stochastic_depth: Rate at which the last block is skipped in training; earlier ones proportionally less.
    """

    model_name = "swin3d_t"

    def __init__(self, *, stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        self.stochastic_depth = stochastic_depth

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from torch import nn
        from torchvision.models.video import swin3d_t
        from torchvision.ops import StochasticDepth

        from echokit.models.backbones.library import LibraryBackbone, take_channels

        body = swin3d_t(weights=None)
        depths = [module for module in body.modules() if isinstance(module, StochasticDepth)]
        last = depths[-1].p  # torchvision fixes it
        for module in depths:
            module.p *= self.stochastic_depth / last
        features = body.head.in_features
        body.head = nn.Identity()
        take_channels(body, shape.channels)
        return LibraryBackbone(body, features)
