"""Multiscale vision transformer of pytorchvideo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.models.backbones.from_library import FromPytorchvideo

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape

DOUBLED = (1, 3, 14)  # blocks that double the width and halve the picture


class MViT(FromPytorchvideo):
    """MViT-B of pytorchvideo: 768 features and 36M parameters a stream.

    It learns a position embedding for every patch, so its weights fit clips of one size; those trained on 16 frames of
    224x224 lose the positions at another size, as the weight report shows. Source: Fan et al. 2021, Multiscale vision
    transformers, arXiv:2104.11227.

    Args:
        width: Of the patch embedding; there are 8 times as many features. Pretrained weights have 96.
        stochastic_depth: Rate at which the last block is skipped in training; earlier ones proportionally less.
    """

    model_name = "mvit"
    zoo = (
        ("kinetics400", "kinetics/MVIT_B_16x4.pyth"),
        ("kinetics400_32x3", "kinetics/MVIT_B_32x3_f294077834.pyth"),
    )

    def __init__(
        self,
        *,
        width: Annotated[int, Field(ge=8, multiple_of=8)] = 96,
        stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    ) -> None:
        self.width = width
        self.stochastic_depth = stochastic_depth

    def build(self, shape: InputShape) -> nn.Module:
        """Build the transformer for clips of exactly this size."""
        from pytorchvideo.models import create_multiscale_vision_transformers
        from pytorchvideo.models.head import SequencePool

        from echokit.models.backbones.library import LibraryBackbone, count_patches

        step = (2, 4, 4)
        frames, height, width = count_patches(shape, step)
        body = create_multiscale_vision_transformers(
            spatial_size=(height * step[1], width * step[2]),
            temporal_size=frames * step[0],
            input_channels=shape.channels,
            patch_embed_dim=self.width,
            conv_patch_embed_stride=step,
            droppath_rate_block=self.stochastic_depth,
            embed_dim_mul=[[block, 2.0] for block in DOUBLED],
            atten_head_mul=[[block, 2.0] for block in DOUBLED],
            pool_q_stride_size=[[block, 1, 2, 2] for block in DOUBLED],
            pool_kv_stride_adaptive=[1, 8, 8],
            pool_kvq_kernel=[3, 3, 3],
            head=None,
        )
        body.head = SequencePool("cls")
        return LibraryBackbone(body, 8 * self.width)
