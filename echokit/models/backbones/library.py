"""Common parts of library backbones: features, input, size checks, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from echokit.errors import EchokitError
from echokit.models.cost import meta_state
from echokit.models.input_shape import InputShape
from echokit.models.weights.transfer import fewer_channels
from echokit.models.weights.weight_files import first_line

LONGEST, LARGEST = 64, 512  # frames and pixels up to which the smallest input is searched
Build = Callable[[InputShape], nn.Module]

_BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
_DIVISORS = (2, 4, 8, 14, 16, 28, 32, 56, 64, 112, 224, 256)  # sizes of windows and patches
_FIT_ERRORS = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError)


class LibraryBackbone(nn.Module):
    """Library model without its head: (B, C, T, H, W) to (B, features).

    Args:
        body: Returns (B, features), or (B, features, ...) that is averaged over the other axes.
        features: Number of features.
    """

    def __init__(self, body: nn.Module, features: int) -> None:
        super().__init__()
        self.body = body
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out.flatten(2).mean(2) if out.ndim > 2 else out


def take_channels(model: nn.Module, channels: int, rgb: int = 3) -> None:
    """Change the number of input channels of a model of RGB pictures, in place.

    The weights of the first convolution of three channels are adapted as those of pretrained models are.

    Args:
        model: Its first convolution in module order reads the picture.
        channels: New number of input channels.
        rgb: Present number of input channels.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d) and module.in_channels == rgb and module.groups == 1:
            with torch.no_grad():
                module.weight = nn.Parameter(fewer_channels(module.weight, channels).contiguous())
            module.in_channels = channels
            return
    raise ValueError(f"no convolution of {rgb} channels in {type(model).__name__}")


def build_checked(build: Build, shape: InputShape, name: str) -> nn.Module:
    """Build a backbone and check that the clips fit it.

    The check is a forward pass on shapes alone (the meta device), which computes nothing. If it fails, the smallest
    clip that passes is searched in the same way. The smallest feature map must also keep more than half a pixel: with
    less, batch norms see single values, and gradients explode (1e16 in an r2plus1d_18 on 1x1 pixels).

    Args:
        build: Builds the backbone for a shape.
        shape: Of the clips.
        name: For the message.

    Raises:
        EchokitError: They do not fit; the message names a size that does.
    """
    try:
        model = build(shape)
        normed = any(isinstance(module, _BATCH_NORMS) for module in model.modules())
        if normed and (reduction := _reduction(build, shape)) >= 2 * min(shape.height, shape.width):
            raise ValueError(f"it reduces pictures {reduction} times")
        _check_forward(model, shape)
    except _FIT_ERRORS as error:
        raise _misfit(build, shape, name, error) from None
    return model


def smallest_fit(build: Build, channels: int) -> InputShape | None:
    """Find the smallest square picture and fewest frames that fit a model.

    None if there are none.
    """

    def fits(frames: int, side: int) -> bool:
        return _fits(build, InputShape(channels, frames, side, side)) and 2 * side > reduction

    reduction = _reduction(build, InputShape(channels, LONGEST, LARGEST, LARGEST))
    least = reduction // 2 + 1
    side = least if fits(LONGEST, least) else _least(lambda length: fits(LONGEST, length), LARGEST)
    if side is None:
        return None
    # The search above may miss a smaller size: a picture that is cut into patches may need an even number of them.
    while side % 2 == 0 and fits(LONGEST, side // 2):
        side //= 2
    frames = _least(lambda length: fits(length, side), LONGEST)
    return None if frames is None else InputShape(channels, frames, side, side)


def _fits(build: Build, shape: InputShape) -> bool:
    try:
        _check_forward(_build_meta(build, shape), shape)
    except _FIT_ERRORS:
        return False
    return True


def _check_forward(model: nn.Module, shape: InputShape) -> None:
    """Run a forward pass on shapes alone; raise one of the errors of a misfit."""
    clips = torch.empty(2, shape.channels, shape.frames, shape.height, shape.width, device="meta")
    with torch.no_grad():
        functional_call(model, meta_state(model), (clips,))


def _build_meta(build: Build, shape: InputShape) -> nn.Module:
    """Build a model on the meta device."""
    try:
        with torch.device("meta"):
            return build(shape)
    except (RuntimeError, NotImplementedError):  # its builder computes with tensors
        with torch.random.fork_rng(devices=[]):
            return build(shape).to("meta")


def _reduction(build: Build, shape: InputShape) -> int:
    """Return the largest reduction of a side at a batch norm; 1 without any."""
    sides = [LARGEST]

    def record_side(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sides.append(inputs[0].shape[-1])

    large = InputShape(shape.channels, max(shape.frames, 1), LARGEST, LARGEST)
    model = _build_meta(build, large)
    for module in model.modules():
        if isinstance(module, _BATCH_NORMS):
            module.register_forward_pre_hook(record_side)
    _check_forward(model, large)
    return LARGEST // min(sides)


def load_pretrained(
    name: str, tag: str, loaders: Mapping[str, Callable[[], Mapping[str, Tensor]]]
) -> dict[str, Tensor]:
    """Load pretrained weights of a library, from the network if they are not cached.

    Args:
        name: Of the backbone.
        tag: Name in the recipe; ``pretrained`` means the first of all.
        loaders: A function for each tag.

    Raises:
        EchokitError: The library has no such tag, or the download fails.
    """
    full_tag = next(iter(loaders), tag) if tag == "pretrained" else tag if tag in loaders else f"{tag}_v1"
    if full_tag not in loaders:
        raise EchokitError(
            f"there are no pretrained weights {tag!r} of {name}",
            hint=f"there are {', '.join(loaders)}, or a run (run:NAME), or a file"
            if loaders
            else "name a run or a file",
            where="model.weights",
            code="weights.unknown_tag",
        )
    try:
        return dict(loaders[full_tag]())
    except Exception as error:  # every library has its own errors for a missing network
        raise EchokitError(
            f"the weights {full_tag!r} of {name} cannot be downloaded: {first_line(error)}",
            hint="without a network, download the file on another machine and name it: model.weights: PATH.pth",
            where="model.weights",
            code="weights.download_failed",
        ) from error


def download_zoo_weights(file: str) -> Mapping[str, Tensor]:
    """Download one file of pytorchvideo's model zoo; no code in it is run."""
    url = f"https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/{file}"
    content = torch.hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True)
    tensors: Mapping[str, Tensor] = content["model_state"]
    return tensors


def count_patches(shape: InputShape, step: Sequence[int]) -> tuple[int, int, int]:
    """Count patches along time, height and width; the last ones are padded."""
    lengths = (shape.frames, shape.height, shape.width)
    frames, height, width = (-(-length // size) for length, size in zip(lengths, step, strict=True))
    return frames, height, width


def _misfit(build: Build, shape: InputShape, name: str, error: Exception) -> EchokitError:
    given = f"clips of {shape.frames} frames of {shape.height}x{shape.width} pixels"
    least = smallest_fit(build, shape.channels)
    if least is None:
        return EchokitError(f"{given} do not fit {name}: {first_line(error)}", code="model.clip_size")
    if shape.frames >= least.frames and min(shape.height, shape.width) >= least.height:  # it is large enough
        if (larger := _next_larger(build, shape)) is None:
            return EchokitError(f"{given} do not fit {name}: {first_line(error)}", code="model.clip_size")
        return EchokitError(
            f"{given} do not fit {name}: the next larger picture that fits is {larger.height}x{larger.width}",
            hint="give resize that size",
            code="model.clip_size",
        )
    return EchokitError(
        f"{given} are too small for {name}: the smallest is {least.frames} frame{'s' if least.frames > 1 else ''} of "
        f"{least.height}x{least.width}",
        hint="give resize a larger size, or clip more frames",
        code="model.clip_too_small",
    )


def _next_larger(build: Build, shape: InputShape) -> InputShape | None:
    """Find a larger picture that fits a model of windows or patches.

    Sides are rounded up to multiples of their sizes.
    """
    tried = {(shape.height, shape.width)}
    for step in _DIVISORS:
        height, width = (-(-side // step) * step for side in (shape.height, shape.width))
        if (height, width) in tried or max(height, width) > LARGEST:
            continue
        tried.add((height, width))
        larger = InputShape(shape.channels, shape.frames, height, width)
        if _fits(build, larger):
            return larger
    return None


def _least(fits: Callable[[int], bool], most: int) -> int | None:
    """Find the least number from 1 to ``most`` that fits, by bisection."""
    if fits(1):
        return 1
    if not fits(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low
