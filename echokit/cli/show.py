"""``echokit show``."""

from __future__ import annotations

import click


@click.command("show", short_help="Show what a component does and takes.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Schema.")
def command(name: str, as_json: bool) -> None:
    """Show what a component does and its parameters. NAME may be kind.name where it is ambiguous.

    \b
    Example: echokit show motion_mask
    """
    import inspect
    import json

    from echokit.errors import EchokitError, did_you_mean
    from echokit.plugins import installed
    from echokit.recipe.json_schema import component_schema
    from echokit.schema import type_in_words

    kind, _, bare = name.rpartition(".")
    components = installed().registry.components()
    found = [c for c in components if bare in (c.name, f"{c.plugin}:{c.name}") and (not kind or c.kind == kind)]
    if not found:
        names = [component.name for component in components]
        raise EchokitError(f"there is no component {name!r}", hint=did_you_mean(bare, names) or "see echokit list")
    for component in found:
        if as_json:
            click.echo(
                json.dumps({"kind": component.kind, **component_schema(component.kind, component.name)}, indent=2)
            )
            continue
        target = component.load()
        text = (inspect.getdoc(target) or "").split("\nArgs:")[0].strip()
        click.echo(f"{component.kind} {component.name}  ({component.plugin})\n\n{text}\n")
        model = component.parameters()
        schema = model.model_json_schema().get("properties", {})
        for parameter, field in model.model_fields.items():
            default = "required" if field.is_required() else f"default {json.dumps(field.default, default=str)}"
            click.echo(f"  {parameter}: {type_in_words(schema[parameter])}; {default}\n      {field.description or ''}")
