"""Style checks that no linter has: banned phrases, docstrings, parameters, error codes, test names.

Run by ``make lint`` as ``python -m tests.style``. Prints one line for each problem.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BANNED = re.compile(
    r"\b(can not|mend(s|ed|ing)?|anew|leaves? away|left away|what becomes? of|what became of|whoever|nobody|"
    r"there is said|is told|are told|tells? of|in words|at hand|made of it|comes to naught)\b",
    re.IGNORECASE,
)
PROMISED = ROOT / "tests" / "test_public_api.py"  # quotes the frozen list of public names
TEXTS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "recipes/**/*.yaml", "plugins/*/README.md")
CODE = ("echokit/**/*.py", "plugins/**/*.py", "benchmarks/*.py", "tests/**/*.py")
FEW_PARAMETERS = ("pipeline", "training", "results")
MOST_PARAMETERS = 7
LONGEST_SUMMARY = 80
LONGEST_TEST_NAME = 60
ERRORS = {"EchokitError", "DataError", "VideoError"}


def files(patterns: tuple[str, ...]) -> list[Path]:
    """The files of the checkout that match."""
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path != Path(__file__)})


def phrases(path: Path) -> Iterator[str]:
    """Banned phrases of one file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := BANNED.search(line):
            yield f"{path.relative_to(ROOT)}:{number}: say it plainly: {match[0]!r}"


def code(path: Path) -> Iterator[str]:
    """Problems of the definitions and raises of one module."""
    place = path.relative_to(ROOT)
    room = place.parts[1] if place.parts[0] == "echokit" and len(place.parts) > 2 else ""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            line = getattr(node, "lineno", 1)
            if place.parts[0] == "echokit" and len(summary) > LONGEST_SUMMARY + 20 * isinstance(node, ast.Module):
                yield f"{place}:{line}: the first line of the docstring has {len(summary)} characters"
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = sum(argument.arg not in ("self", "cls") for argument in arguments)
            if room in FEW_PARAMETERS and count > MOST_PARAMETERS:
                yield f"{place}:{node.lineno}: {node.name} has {count} parameters"
            if node.name.startswith("test_") and len(node.name) > LONGEST_TEST_NAME + len("test_"):
                yield f"{place}:{node.lineno}: the test name has {len(node.name)} characters"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and place.parts[0] == "echokit":
            name = node.exc.func.id if isinstance(node.exc.func, ast.Name) else ""
            if name in ERRORS and not any(keyword.arg in ("code", None) for keyword in node.exc.keywords):
                yield f"{place}:{node.lineno}: the {name} has no code"


def main() -> int:
    """Print every problem; 1 if there is one."""
    problems = [problem for path in files((*TEXTS, *CODE)) if path != PROMISED for problem in phrases(path)]
    problems += [problem for path in files(CODE) for problem in code(path)]
    print("\n".join(problems) or "style: no problem")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
