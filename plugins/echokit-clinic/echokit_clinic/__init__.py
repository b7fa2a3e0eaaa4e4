"""What a run would mean in a clinic with another prevalence: an evaluator and a section of the report."""

from echokit import hookimpl


@hookimpl
def echokit_components(register):
    """A string names the class: it is imported when it is used, and not before."""
    register.evaluator(
        "in_my_clinic", "echokit_clinic.evaluator:InMyClinic", summary="predictive values at your prevalence"
    )


@hookimpl
def echokit_report_section(run):
    """Say in whole numbers of patients what the evaluator found; nothing where the recipe does not use it."""
    from echokit_clinic.section import section

    return section(run)


@hookimpl
def echokit_cases():
    """How the conformance checks exercise it: its prevalence has no default, as only the clinic knows it."""
    from echokit.testing import Case

    return {"evaluator.in_my_clinic": (Case({"prevalence": 0.05}), Case({"prevalence": 0.3, "level": 0.9}))}
