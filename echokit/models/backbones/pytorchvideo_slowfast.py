"""SlowFast of pytorchvideo: a wide pathway on few frames and a narrow one on all frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.models.backbones.from_library import FromPytorchvideo

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class SlowFastR50(FromPytorchvideo):
    """SlowFast-R50: 2304 features, 34 million parameters a stream.

    Source: Feichtenhofer et al. 2019, SlowFast, arXiv:1812.03982.

    Args:
        alpha: Temporal stride of the slow pathway, from the first frame on.
        width: Filters of the slow pathway's stem; the fast pathway has an eighth. Pretrained weights have 64.
    """

    model_name = "slowfast_r50"
    zoo = (("kinetics400", "kinetics/SLOWFAST_8x8_R50.pyth"),)

    def __init__(
        self,
        *,
        alpha: Annotated[int, Field(ge=1)] = 4,
        width: Annotated[int, Field(ge=8, multiple_of=8)] = 64,
    ) -> None:
        self.alpha = alpha
        self.width = width

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from pytorchvideo.models import create_slowfast
        from torch import nn

        from echokit.models.backbones.library import LibraryBackbone
        from echokit.models.backbones.slowfast_module import SlowFastModule

        body = create_slowfast(
            input_channels=(shape.channels, shape.channels),
            stem_dim_outs=(self.width, self.width // 8),
            slowfast_fusion_conv_kernel_size=(7, 1, 1),
            slowfast_fusion_conv_stride=(self.alpha, 1, 1),
            head=None,
            head_pool=nn.AdaptiveAvgPool3d,
        )
        return LibraryBackbone(SlowFastModule(body, self.alpha), 36 * self.width)
