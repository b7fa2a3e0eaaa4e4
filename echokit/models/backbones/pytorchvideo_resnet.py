"""Bottleneck ResNets of pytorchvideo: Slow, C2D, I3D, CSN and R(2+1)D."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from echokit.models.backbones.from_library import FromPytorchvideo

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class BottleneckResNet(FromPytorchvideo):
    """Bottleneck ResNet of pytorchvideo; subclasses set the convolutions.

    It has 32 times its width as features.

    Args:
        width: Filters of the stem; the stages end with 4, 8, 16 and 32 times as many. Pretrained weights have 64.
    """

    def __init__(self, *, width: Annotated[int, Field(ge=1, le=4096)] = 64) -> None:
        self.width = width

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from echokit.models.backbones.library import LibraryBackbone

        body = self._network(input_channel=shape.channels, stem_dim_out=self.width)
        body.blocks = body.blocks[:-1]  # without the head
        return LibraryBackbone(body, 32 * self.width)

    @abstractmethod
    def _network(self, **size: int) -> Any:
        """Build pytorchvideo's network with ``input_channel`` and ``stem_dim_out``."""


class SlowR50(BottleneckResNet):
    """Slow pathway of SlowFast, ResNet-50; 32M parameters a stream.

    Temporal convolutions in stages 3 and 4.

    Source: Feichtenhofer et al. 2019, SlowFast, arXiv:1812.03982.
    """

    model_name = "slow_r50"
    zoo = (("kinetics400", "kinetics/SLOW_8x8_R50.pyth"),)

    def _network(self, **size: int) -> Any:
        from pytorchvideo.models import create_resnet

        return create_resnet(stem_conv_kernel_size=(1, 7, 7), **size)


class C2DR50(BottleneckResNet):
    """2D ResNet-50 on every frame; 24M parameters a stream.

    Max pooling over time after the first stage.

    Source: Wang et al. 2018, Non-local neural networks, arXiv:1711.07971, where it is the C2D baseline.
    """

    model_name = "c2d_r50"
    zoo = (("kinetics400", "kinetics/C2D_8x8_R50.pyth"),)

    def _network(self, **size: int) -> Any:
        from pytorchvideo.models import create_resnet
        from torch import nn

        return create_resnet(
            stem_conv_kernel_size=(1, 7, 7),
            stage1_pool=nn.MaxPool3d,
            stage_conv_a_kernel_size=((1, 1, 1),) * 4,
            **size,
        )


class I3DR50(BottleneckResNet):
    """Inflated 3D ResNet-50 (I3D); 27M parameters a stream.

    Temporal convolutions in every second block.

    Source: Carreira and Zisserman 2017, Quo vadis, action recognition?, arXiv:1705.07750.
    """

    model_name = "i3d_r50"
    zoo = (("kinetics400", "kinetics/I3D_8x8_R50.pyth"),)

    def _network(self, **size: int) -> Any:
        from pytorchvideo.models import create_resnet
        from torch import nn

        deep, flat = (3, 1, 1), (1, 1, 1)
        return create_resnet(
            stem_conv_kernel_size=(5, 7, 7),
            stage1_pool=nn.MaxPool3d,
            stage_conv_a_kernel_size=(deep, [deep, flat], [deep, flat], [flat, deep]),
            **size,
        )


class CSNR101(BottleneckResNet):
    """Channel-separated ResNet-101 (CSN); 21M parameters a stream.

    Depthwise 3D convolutions.

    Source: Tran et al. 2019, Video classification with channel-separated convolutional networks, arXiv:1904.02811.
    """

    model_name = "csn_r101"
    zoo = (("kinetics400", "kinetics/CSN_32x2_R101.pyth"),)

    def _network(self, **size: int) -> Any:
        from pytorchvideo.models import create_csn
        from torch import nn

        return create_csn(model_depth=101, stem_pool=nn.MaxPool3d, **size)


class R2Plus1DR50(BottleneckResNet):
    """R(2+1)D-50: separate space and time; 27M parameters a stream.

    Source: Tran et al. 2018, A closer look at spatiotemporal convolutions for action recognition, arXiv:1711.11248.
    """

    model_name = "r2plus1d_r50"
    zoo = (("kinetics400", "kinetics/R2PLUS1D_16x4_R50.pyth"),)

    def _network(self, **size: int) -> Any:
        from pytorchvideo.models.r2plus1d import create_r2plus1d

        return create_r2plus1d(**size)
