"""Read ``assert f(arguments) == value`` as data, so that nobody has to run it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from agentgym_envs.python.grade import Case, Match
from agentgym_envs.python.values import encode

__all__ = ["Unreadable", "case_of", "read_check", "read_tests"]

MAX_EXPECTED = 50_000  # characters; what a session answers is cut not far above
_SINGLETONS = (True, False, None)


class Unreadable(ValueError):
    """A test that is no pair of literal arguments and a literal value."""


def read_tests(statements: Iterable[str]) -> tuple[str, tuple[Case, ...]]:
    """Read assert statements that all call one function.

    Returns:
        The function's name, and the tests.

    Raises:
        Unreadable: If one is of another form.
    """
    nodes = [node for statement in statements for node in _parsed(statement)]
    return _read(nodes)


def read_check(source: str) -> tuple[Case, ...]:
    """Read the asserts of a function ``check(candidate)``.

    Raises:
        Unreadable: If there is none, or it does more than assert.
    """
    checks = [
        node
        for node in _parsed(source)
        if isinstance(node, ast.FunctionDef) and node.name == "check"
    ]
    if len(checks) != 1 or len(checks[0].args.args) != 1:
        raise Unreadable("'test' must define one function check(candidate)")
    name, cases = _read(checks[0].body)
    if name != checks[0].args.args[0].arg:
        raise Unreadable(f"the asserts call '{name}', which is not the argument of check")
    return cases


def case_of(arguments: str, expected: object, match: Match, tolerance: float = 0.0) -> Case:
    """Return a test, if its value can be compared.

    Raises:
        Unreadable: If it cannot.
    """
    try:
        text = encode(expected)
        ast.literal_eval(arguments)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise Unreadable(f"a test that cannot be compared: {error}") from error
    if len(text) > MAX_EXPECTED:
        raise Unreadable(f"an expected value of {len(text)} characters; at most {MAX_EXPECTED}")
    return Case(arguments, text, match, tolerance)


def _parsed(source: str) -> Sequence[ast.stmt]:
    try:
        return ast.parse(source.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable("a test is no Python") from error


def _read(nodes: Sequence[ast.stmt]) -> tuple[str, tuple[Case, ...]]:
    names, cases = set(), []
    for node in nodes:
        if isinstance(node, ast.Expr | ast.Assert) and isinstance(_tested(node), ast.Constant):
            continue  # a docstring, or 'assert True' with a message
        if not isinstance(node, ast.Assert):
            raise _unreadable(node)
        name, case = _case(node.test)
        names.add(name)
        cases.append(case)
    if len(names) != 1:
        raise Unreadable(f"the asserts call {sorted(names) or 'nothing'}; they must call one name")
    return names.pop(), tuple(cases)


def _tested(node: ast.Expr | ast.Assert) -> ast.expr:
    return node.test if isinstance(node, ast.Assert) else node.value


def _case(test: ast.expr) -> tuple[str, Case]:
    if isinstance(test, ast.Call):
        return _is_close(test)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        raise _unreadable(test)
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    if isinstance(operator, ast.Lt | ast.LtE):
        return _near(left, right)
    if isinstance(right, ast.Call) and not isinstance(left, ast.Call):
        left, right = right, left
    name, arguments = _call(left)
    expected = _literal(right)
    if isinstance(operator, ast.Eq):
        return name, case_of(arguments, expected, "equal")
    if isinstance(operator, ast.Is) and any(expected is single for single in _SINGLETONS):
        return name, case_of(arguments, expected, "exact")
    raise _unreadable(test)


def _near(left: ast.expr, right: ast.expr) -> tuple[str, Case]:
    """Read ``abs(f(arguments) - value) < tolerance``."""
    match left:
        case ast.Call(
            func=ast.Name(id="abs"),
            args=[ast.BinOp(left=called, op=ast.Sub(), right=value)],
            keywords=[],
        ):
            name, arguments = _call(called)
            return name, case_of(arguments, _number(value), "near", _number(right))
    raise _unreadable(left)


def _is_close(test: ast.Call) -> tuple[str, Case]:
    """Read ``math.isclose(f(arguments), value, rel_tol=...)``."""
    match test:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="math"), attr="isclose"), args=[called, value]
        ):
            options = {option.arg: _number(option.value) for option in test.keywords}
            expected = _number(value)
            relative = options.get("rel_tol", 1e-9) * abs(expected)
            # Never 0: the difference must be below it.
            tolerance = max(relative, options.get("abs_tol", 0.0), 1e-300)
            name, arguments = _call(called)
            return name, case_of(arguments, expected, "near", tolerance)
    raise _unreadable(test)


def _call(node: ast.expr) -> tuple[str, str]:
    """Return the name that is called, and the source of the tuple of arguments."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        raise _unreadable(node)
    for argument in node.args:
        _literal(argument)
    return node.func.id, ast.unparse(ast.Tuple(node.args, ast.Load()))


def _literal(node: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError) as error:
        raise _unreadable(node) from error
    return value


def _number(node: ast.expr) -> float:
    value = _literal(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(node)
    return value


def _unreadable(node: ast.AST) -> Unreadable:
    text = ast.unparse(node)
    shown = text if len(text) <= 80 else f"{text[:80]}..."
    return Unreadable(f"cannot read the test `{shown}`; write `assert f(arguments) == value`")
