"""What can not be built: told before any video is opened."""

from __future__ import annotations

from collections.abc import Mapping

from echokit.fold import assemble
from echokit.models.norm import raw
from echokit.models.shape import InputShape
from echokit.recipe.recipe import Recipe
from echokit.registry import BUILT_IN


def shapes_ahead(recipe: Recipe) -> dict[str, InputShape] | None:
    """Shapes of the streams of a window, where the recipe alone tells them; None where the videos have to.

    They are known with a ``resize``, a number of frames, and no preprocessor of a plugin, which might change them.
    """
    frames = getattr(recipe.clip.build(), "frames", None)
    sizes = [use.params["size"] for use in recipe.preprocess if use.name == "resize"]
    if frames is None or not sizes or any(use.component.plugin != BUILT_IN for use in recipe.preprocess):
        return None
    side = sizes[-1]
    shapes = {"video": InputShape(1, frames, side, side)}
    if any(getattr(use.component.load(), "derives", None) == "flow" for use in recipe.preprocess):
        shapes["flow"] = InputShape(2, frames - 1, side, side)
    return shapes


def require_model(recipe: Recipe, shapes: Mapping[str, InputShape]) -> None:
    """Build the model of a recipe once, to hear early of a name, a size or a part that it can not have.

    Args:
        recipe: Its fusion and backbone are built, and the parts that ``train`` names are looked for.
        shapes: Of the streams of a window.

    Raises:
        EchokitError: The model can not be built, or has no such part.
    """
    from echokit.training.parts import require_parts

    norms = {stream: raw(shape.channels) for stream, shape in shapes.items()}
    model = assemble(recipe, shapes, 1, norms, recipe.seed)
    parts = [part for phase in recipe.train.phases or () for part in phase.train]
    require_parts(model, parts, "train.phases")
    require_parts(model, recipe.train.l1.on if recipe.train.l1 else (), "train.l1.on")
