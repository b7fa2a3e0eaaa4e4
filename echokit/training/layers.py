"""Layers of a model, for rates that fall from the head down: blocks, in the order in which they see the clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from echokit.training.parts import in_part

Steps = tuple[str, ...]

_NESTED = ("blocks", "layers")  # how the list of blocks in a stage is called: stages.0.blocks.1, blocks.2.res_blocks.0
_PARALLEL = "multipathway_blocks"  # pytorchvideo's paths lie side by side, and so do their blocks


def layer_scales(names: Sequence[str], decay: float) -> dict[str, float]:
    """The factor of each parameter's rate: 1 for the head, ``decay`` for the layer below it, and so on.

    A layer is a block of a stage (``stages.3.0``). What comes before the first block is one layer (the stem), what lies
    between two stages is one, and what follows the last block (a norm, pooling over time) is the topmost. A backbone
    without numbered blocks has its children as layers. Each stream's backbone is counted on its own. Source: Clark et
    al. 2020 (ELECTRA).

    Args:
        names: Of the parameters, in the order in which modules see the clip.
        decay: From one layer to the one below it.
    """
    trunks: dict[Steps, dict[str, Steps]] = {}
    for name in names:
        if not in_part(name, "head"):
            steps = tuple(name.split("."))
            below = 3 if steps[:2] == ("fused", "backbones") else 0
            trunks.setdefault(steps[:below], {})[name] = _side_by_side(steps[below:])
    scales = dict.fromkeys(names, 1.0)
    for inside in trunks.values():
        layers = _layers(list(inside.values()))
        top = max(layers) + 1
        scales |= {name: decay ** (top - layer) for name, layer in zip(inside, layers, strict=True)}
    return scales


def _layers(parameters: Sequence[Steps]) -> list[int]:
    """The layer of each parameter of one backbone, counted from 0 at the bottom."""
    blocks = _without_stages({block for steps in parameters if (block := _block(steps))})
    shared = _shared(parameters)
    numbers: dict[tuple[str, Steps], int] = {}
    last: Steps = ()
    found = []
    for steps in parameters:
        block = next((steps[:length] for length in range(1, len(steps)) if steps[:length] in blocks), ())
        last = block or last
        key = ("block", block) if block else ("after", last) if blocks else ("child", steps[: shared + 1])
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _block(steps: Steps) -> Steps:
    """The path to a parameter's block, or nothing: a numbered module that holds more than the parameter itself."""
    for place, step in enumerate(steps[:-2]):
        if step.isdigit():
            if steps[place + 1].isdigit() and not steps[place + 2].isdigit() and len(steps) > place + 3:
                return steps[: place + 2]
            if steps[place + 1].endswith(_NESTED) and steps[place + 2].isdigit() and len(steps) > place + 4:
                return steps[: place + 3]
            return steps[: place + 1]
    return ()


def _without_stages(blocks: set[Steps]) -> set[Steps]:
    """Blocks that hold other blocks are stages."""
    stages = {one for one, following in pairwise(sorted(blocks)) if following[: len(one)] == one}
    return blocks - stages


def _side_by_side(steps: Steps) -> Steps:
    if _PARALLEL in steps:
        place = steps.index(_PARALLEL)
        return steps[:place] + steps[place + 2 :]
    return steps


def _shared(parameters: Iterable[Steps]) -> int:
    """How many first steps all paths share."""
    shared = 0
    for steps in zip(*(path[:-1] for path in parameters), strict=False):
        if len(set(steps)) > 1:
            break
        shared += 1
    return shared
