"""A mask for echokit that finds the ultrasound fan by its geometry."""

from echokit import hookimpl


@hookimpl
def echokit_components(register):
    """A string names the class: it is imported when it is used, and not before."""
    register.preprocessor(
        "fan_mask", "echokit_sector_mask.mask:FanMask", mask=True, summary="keep the fan, found by lines and arcs"
    )
