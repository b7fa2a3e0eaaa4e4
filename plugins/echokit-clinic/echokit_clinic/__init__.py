"""Predictive values at the prevalence of another clinic: an evaluator and a section of the report."""

from echokit import hookimpl


@hookimpl
def echokit_components(register):
    """Register the class by name, so that it is imported only when it is used."""
    register.evaluator(
        "in_my_clinic", "echokit_clinic.evaluator:InMyClinic", summary="predictive values at a given prevalence"
    )


@hookimpl
def echokit_report_section(run):
    """Describe the predictive values as numbers of patients; None if the recipe does not use the evaluator."""
    from echokit_clinic.section import section

    return section(run)


@hookimpl
def echokit_cases():
    """Return the cases of the conformance checks: the prevalence has no default."""
    from echokit.testing import Case

    return {"evaluator.in_my_clinic": (Case({"prevalence": 0.05}), Case({"prevalence": 0.3, "level": 0.9}))}
