"""Values in Python text, told without running it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from calendar_timetable.cli.imports import timetables_calendar_rules
from calendar_timetable.cli.imports.result import Unsaid

_MOST_DEPTH = 40  # of values within values
_MOST_VALUES = 50_000  # of a file, those that stand for others counted each time
_MOST_PARTS = 4  # of a name with dots
_PLAIN = "write the value itself here, as a number, a text, a list or a date"
_TWICE = "this name is imported twice; import one under another name"
_ASSIGNED = "something else in the file has this name too; give that another name"
_ENUMS = {"Kind", "StartDay", "Substitution", "Count", "Frequency", "Weekday", "Scope"}


def parse(text: str) -> ast.Module:
    """Return the syntax of *text*; raises :class:`Unsaid` where it is no Python."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        value = (error.text or "").strip()
        raise Unsaid(error.lineno or 1, value, f"not Python ({error.msg}); correct it") from None
    except (ValueError, RecursionError, MemoryError):
        raise Unsaid(
            1, text[:20], "not Python, or nested too deep; import a smaller file"
        ) from None


def calls(tree: ast.Module) -> list[ast.Call]:
    """Return the calls, in order."""
    call_nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(call_nodes, key=lambda node: (node.lineno, node.col_offset))


class Names:
    """What names mean in a module: those of *package*, and values assigned once.

    A name that is bound twice, whatever binds it, or whose value may be changed in place means
    nothing here.
    """

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.package = package
        self.ours: dict[str, str] = {}  # name: what it is in the package; "" for the package itself
        self.starred: list[int] = []  # lines that import all of it
        self.values: dict[str, ast.expr] = {}
        self.left = _MOST_VALUES
        bound = Counter(name for node in ast.walk(tree) for name in _bound(node))
        meanings = [meaning for node in ast.walk(tree) for meaning in self._imported(node)]
        self.ours = dict(meanings)
        # Imported once from the package, or several times as the same.
        times = Counter(name for name, _ in meanings)
        several = Counter(name for name, _ in {*meanings})
        imported = Counter(
            name for node in ast.walk(tree) if isinstance(node, ast.alias) for name in _bound(node)
        )
        if _imports_all_of_this_package(tree):
            # It binds that name as well.
            bound["CalendarTimetable"] += 1
            imported["CalendarTimetable"] += 1
        self._unsure = {  # and why
            name: _TWICE if bound[name] == imported[name] else _ASSIGNED
            for name in self.ours
            if bound[name] > times[name] or several[name] > 1
        }
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, ast.Name) and bound[target.id] == 1:
                    self.values[target.id] = statement.value
        for name in self._changed(tree):
            self.values.pop(name, None)

    def _imported(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """Yield the names that *node* imports from the package, and what they are there."""
        if isinstance(node, ast.ImportFrom) and self._is_ours(node.module):
            for alias in node.names:
                if alias.name == "*":
                    self.starred.append(node.lineno)
                else:
                    yield alias.asname or alias.name, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if self._is_ours(alias.name):
                    yield alias.asname or self.package, ""

    def _changed(self, tree: ast.Module) -> set[str]:
        """Return the names whose values may be changed in place, as by ``RULES.append(...)``."""
        parts = (n for n in ast.walk(tree) if isinstance(n, (ast.Attribute, ast.Subscript)))
        names = [part.value.id for part in parts if isinstance(part.value, ast.Name)]
        changed_names: set[str] = set()
        while names:
            name = names.pop()
            value = self.values.get(name)
            # A text or a number stays as it is.
            if name in changed_names or value is None or isinstance(value, ast.Constant):
                continue
            changed_names.add(name)
            # What its value is made of is changed by its parts: OTHER = RULES; OTHER.append(...)
            names += [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
        return changed_names

    def _is_ours(self, module: str | None) -> bool:
        return (module or "").partition(".")[0] == self.package

    def meant(self, node: ast.expr) -> str:
        """Return what *node* names in the package, as ``"Kind.ABSOLUTE"``; ``""`` if nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute) and len(parts) < _MOST_PARTS:
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.ours:
            return ""
        parts.insert(0, self.ours[node.id])
        own_parts = [part for part in parts if part and part not in ("rules", "timetable")]
        return ".".join(own_parts)

    def sure_meaning(self, node: ast.expr) -> str:
        """Return what *node* names in the package; raises :class:`Unsaid` if it may be another."""
        meaning, root = self.meant(node), node
        while isinstance(root, ast.Attribute):
            root = root.value
        if meaning and isinstance(root, ast.Name) and root.id in self._unsure:
            raise Unsaid(node.lineno, root.id, self._unsure[root.id])
        return meaning

    def arguments(self, call: ast.Call, names: Sequence[str]) -> dict[str, Any]:
        """Return the arguments of *call* by name; *names* are those that may stand unnamed."""
        if len(call.args) > len(names):
            raise Unsaid(call.lineno, ast.unparse(call.func), "it has fewer arguments; name them")
        arguments = {name: self.value(arg) for name, arg in zip(names, call.args, strict=False)}
        for keyword in call.keywords:
            value = self.value(keyword.value)
            mapping = {keyword.arg: value} if keyword.arg is not None else value
            if isinstance(mapping, timetables_calendar_rules.Rule):
                mapping = asdict(mapping)
            if not isinstance(mapping, dict) or not all(isinstance(key, str) for key in mapping):
                raise Unsaid(call.lineno, "**", _PLAIN)
            arguments |= mapping
        return arguments

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """Return the value of *node*; raises :class:`Unsaid` where only running it can tell."""
        self.left -= 1
        if depth > _MOST_DEPTH or self.left < 0:
            raise Unsaid(node.lineno, "value", f"nested too deep; {_PLAIN}")
        match node:
            case ast.Constant(value=str() | int() | float() | None):
                return node.value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
                return -number
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [self.value(part, depth + 1) for part in parts]
            case ast.Dict(keys=keys, values=parts):
                names = [key.value for key in keys if isinstance(key, ast.Constant)]
                if len(names) == len(parts):
                    values = (self.value(part, depth + 1) for part in parts)
                    return dict(zip(names, values, strict=True))
            case ast.Name(id=name) if name in self.values:
                return self.value(self.values[name], depth + 1)
            case ast.Attribute():
                kind, _, member = self.sure_meaning(node).partition(".")
                if kind in _ENUMS and member:
                    return member.lower()
                if self.sure_meaning(node) == "NO_CALENDAR":
                    return "NONE"
            case ast.Name() if self.sure_meaning(node) == "NO_CALENDAR":
                return "NONE"
            case ast.Call():
                return self._called(node, depth + 1)
        raise Unsaid(node.lineno, ast.unparse(node)[:200], _PLAIN)

    def _called(self, call: ast.Call, depth: int) -> Any:
        """Return what a call of a name that is known gives."""
        name, text = self.sure_meaning(call.func), ast.unparse(call.func)[:200]
        values = [self.value(arg, depth) for arg in call.args]
        if name in _ENUMS and len(values) == 1 and not call.keywords:
            return values[0]
        if name in timetables_calendar_rules.MAKERS:
            maker, names = timetables_calendar_rules.MAKERS[name]
            arguments = self.arguments(call, names)
            try:
                return maker(**arguments)
            except (TypeError, ValueError) as error:
                raise Unsaid(call.lineno, name, f"{error}; correct the call") from None
        if text in ("date", "datetime.date", "dt.date") and len(values) == 3:
            try:
                return date(*values)
            except (TypeError, ValueError) as error:
                raise Unsaid(call.lineno, ast.unparse(call), f"{error}; correct it") from None
        if text.split(".")[-1] in ("ZoneInfo", "timezone", "Timezone") and len(values) == 1:
            return values[0]
        raise Unsaid(call.lineno, text, _PLAIN)


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that *node* binds, or that it takes from elsewhere."""
    name: str | None = None
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del(), id=name) | ast.arg(arg=name):
            pass
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            pass
        case ast.ClassDef(name=name) | ast.ExceptHandler(name=name):
            pass
        case ast.MatchAs(name=name) | ast.MatchStar(name=name) | ast.MatchMapping(rest=name):
            pass
        case ast.alias(asname=alias, name=name):
            name = alias or name.partition(".")[0]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
    if name is not None:
        yield name


def _imports_all_of_this_package(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "calendar_timetable"
        and any(alias.name == "*" for alias in node.names)
        for node in ast.walk(tree)
    )
