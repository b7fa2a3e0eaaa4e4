"""What every backbone component around a library's model does; light: the library is imported inside the call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from echokit.models.shape import InputShape


class FromLibrary(ABC):
    """A backbone around a library's model, without its head and for any number of channels.

    Attributes:
        called: Name in the registry.
    """

    called: ClassVar[str]

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream.

        Args:
            shape: Of the stream, and of every clip that the module will be given.

        Returns:
            A module mapping (B, C, T, H, W) float to (B, features), with ``features``.

        Raises:
            EchokitError: The clips are too small; the message names the smallest that fits.
        """
        from echokit.models.library import fitting

        return fitting(self.make, shape, self.title)

    def pretrained(self, tag: str) -> dict[str, Tensor]:
        """Load trained weights of the library, in its names.

        Args:
            tag: As the library calls them, in small letters; ``pretrained`` means the first.

        Raises:
            EchokitError: There is no such tag, or no network.
        """
        from echokit.models.library import trained

        return trained(self.title, tag, self.tags())

    @property
    def title(self) -> str:
        """Name in messages."""
        return self.called

    @abstractmethod
    def make(self, shape: InputShape) -> nn.Module:
        """Build the backbone for clips that are known to fit."""

    @abstractmethod
    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """How each of the library's trained weights is loaded, the best known first."""


class FromTorchvision(FromLibrary):
    """A video model of torchvision; ``called`` is its name there too."""

    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """The weights that torchvision lists, such as ``kinetics400_v1``."""
        from functools import partial

        from torchvision.models import get_model_weights

        every = get_model_weights(self.called)
        ordered = [every.DEFAULT, *(weights for weights in every if weights is not every.DEFAULT)]
        return {weights.name.lower(): partial(weights.get_state_dict, check_hash=True) for weights in ordered}


class FromPytorchvideo(FromLibrary):
    """A model of pytorchvideo.

    Attributes:
        zoo: (tag, file of the model zoo) each.
    """

    zoo: ClassVar[tuple[tuple[str, str], ...]]

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream, as `FromLibrary` says."""
        import warnings

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            import pytorchvideo.models  # noqa: F401 - compiles with what torch has deprecated
        return super().__call__(shape)

    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """The weights of pytorchvideo's model zoo."""
        from functools import partial

        from echokit.models.library import zoo_weights

        return {tag: partial(zoo_weights, file) for tag, file in self.zoo}
