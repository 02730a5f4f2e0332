"""Functions and classes of the standard library and of installed packages, read with `ast`.

Nothing is imported, so no code runs. The result depends on the environment alone: files are taken
in sorted order, and at even steps where a package has many.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core.corpora.demo.docstrings import Doc, parse

LEFT_OUT = re.compile(
    r"(^|/)(_?tests?|testing|_?vendor(ed)?|third_party|benchmarks?|examples?|site-packages|idlelib|"
    r"lib2to3|turtledemo|pydoc_data|ensurepip|encodings|locales?|migrations|config-[^/]*|\.[^/]*)/"
    r"|(^|/)(test_|conftest|_sysconfigdata)[^/]*\.py$|_pb2|_generated|/__main__\.py$"
)
LARGEST_FILE = 200_000  # bytes
PACKAGE_FILES, PACKAGE_BYTES = 30, 250_000  # limits for one package, so that many are read
EXCEPTION = re.compile(r"[A-Z]\w*(Error|Exception|Warning|Exit|Iteration)")
CALLED = re.compile(r"[a-z_][\w.]{2,40}")
LONGEST_SOURCE = 45  # lines of a function shown in an answer


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: Its name.
        annotation: Source of its annotation, "" without one.
        default: Source of its default, "" without one.
        has_default: Whether it may be left out.
    """

    name: str
    annotation: str
    default: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A public function or method with a docstring.

    Attributes:
        package: "stdlib", or the name of the distribution.
        module: Dotted name of the module.
        name: Name in the module, dotted for a method.
        doc: The parts of its docstring.
        parameters: Its parameters, without self and cls.
        signature: Such as "name(a, b=1) -> int".
        source: Its source; "" where it is too long to show.
        raises: Exceptions that it raises itself.
        calls: The first six plain names that it calls.
        is_method: Whether it is in a class.
        is_simple: Whether it can be offered as a tool: no *args, **kwargs, decorators or coroutine.
    """

    package: str
    module: str
    name: str
    doc: Doc
    parameters: tuple[Parameter, ...]
    signature: str
    source: str
    raises: tuple[str, ...]
    calls: tuple[str, ...]
    is_method: bool
    is_simple: bool

    @property
    def path(self) -> str:
        """The name in code: module.name."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Class:
    """A public class with a docstring.

    Attributes:
        package: "stdlib", or the name of the distribution.
        module: Dotted name of the module.
        name: Its name.
        doc: The parts of its docstring.
        bases: Source of its base classes.
        methods: (name, summary) of at most eight public methods.
    """

    package: str
    module: str
    name: str
    doc: Doc
    bases: tuple[str, ...]
    methods: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A public module with a docstring.

    Attributes:
        package: "stdlib", or the name of the distribution.
        name: Its dotted name.
        doc: The parts of its docstring.
        members: (name, summary) of its first public functions and classes.
    """

    package: str
    name: str
    doc: Doc
    members: tuple[tuple[str, str], ...]

    @property
    def module(self) -> str:
        """The module's own name, as `Function` and `Class` have it."""
        return self.name


@dataclass(frozen=True, slots=True)
class Harvest:
    """Everything that was read.

    Attributes:
        functions: Functions and methods.
        classes: Classes.
        modules: Modules.
        versions: Package -> version.
    """

    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    modules: tuple[Module, ...]
    versions: dict[str, str]


def sources() -> Iterator[tuple[str, str, str, Path]]:
    """The files that are read.

    Yields:
        (package, version, module, path); the version is "" for the standard library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).as_posix()
        if not LEFT_OUT.search(inside) and path.stat().st_size <= LARGEST_FILE:
            yield "stdlib", "", _module(inside), path
    for name, version, distribution in _distributions():
        files = sorted(
            str(file)
            for file in distribution.files or ()
            if file.suffix == ".py" and ".." not in file.parts and not LEFT_OUT.search(str(file))
        )
        step = -(-len(files) // PACKAGE_FILES) or 1
        total = 0
        for inside in files[::step]:
            path = Path(str(distribution.locate_file(inside)))
            size = path.stat().st_size if path.is_file() else 0
            total += size
            if 0 < size <= LARGEST_FILE and total <= PACKAGE_BYTES:
                yield name, version, _module(inside), path


def _distributions() -> list[tuple[str, str, importlib.metadata.Distribution]]:
    """(name, version, distribution) of every installed package, sorted, the first of a name."""
    packages = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # parsed anew at every access
        name = (metadata["Name"] or "").lower()
        if name:
            packages.setdefault(name, (name, metadata["Version"] or "", distribution))
    return [packages[name] for name in sorted(packages)]


def harvest(files: list[tuple[str, str, str, Path]]) -> Harvest:
    """Read files; one that cannot be parsed, such as another Python's syntax, is left out.

    Args:
        files: (package, version, module, path), as `sources` gives them.

    Returns:
        What the files hold.
    """
    functions: list[Function] = []
    classes: list[Class] = []
    modules: list[Module] = []
    versions = {}
    for package, version, module, path in files:
        if version:
            versions[package] = version
        if any(part.startswith("_") for part in module.split(".")):
            continue  # private
        try:
            text = path.read_text("utf-8")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (UnicodeDecodeError, SyntaxError, RecursionError, ValueError):
            continue
        reader = _SourceReader(package, module, text.splitlines(), functions, classes)
        reader.read(tree.body, "")
        if about := parse(ast.get_docstring(tree)):
            offered = _members(tree.body)
            if len(offered) >= 2:
                modules.append(Module(package, module, about, offered))
    return Harvest(tuple(functions), tuple(classes), tuple(modules), dict(sorted(versions.items())))


def _module(inside: str) -> str:
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True, slots=True)
class _SourceReader:
    package: str
    module: str
    lines: list[str]
    functions: list[Function]
    classes: list[Class]

    def read(self, body: list[ast.stmt], inside: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not inside:
                self._class(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node, inside)

    def _class(self, node: ast.ClassDef) -> None:
        self.read(node.body, node.name)
        doc = parse(ast.get_docstring(node))
        methods = []
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                about = parse(ast.get_docstring(part))
                if about:
                    methods.append((part.name, about.summary))
        if doc and len(methods) >= 2:
            bases = tuple(ast.unparse(base) for base in node.bases)
            self.classes.append(
                Class(self.package, self.module, node.name, doc, bases, tuple(methods[:8]))
            )

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: str) -> None:
        if node.name.startswith("_"):
            return
        doc = parse(ast.get_docstring(node))
        if doc is None:
            return
        arguments = node.args
        parameters = _parameters(arguments)
        if inside and parameters:
            parameters = parameters[1:]  # self
        shown = ast.unparse(arguments)
        if inside:
            shown = re.sub(r"^(self|cls)(, |$)", "", shown)
        raised, called = _raised_and_called(node)
        arrow = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        self.functions.append(
            Function(
                package=self.package,
                module=self.module,
                name=f"{inside}.{node.name}" if inside else node.name,
                doc=doc,
                parameters=parameters,
                signature=f"{node.name}({shown}){arrow}",
                source=self._source(node),
                raises=raised,
                calls=called,
                is_method=bool(inside),
                is_simple=isinstance(node, ast.FunctionDef)
                and not (arguments.vararg or arguments.kwarg or node.decorator_list),
            )
        )

    def _source(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        taken = self.lines[start - 1 : node.end_lineno]
        if len(taken) > LONGEST_SOURCE or _is_stub(node.body[1:]):
            return ""
        if any("```" in line for line in taken):
            return ""  # it would end the code block of the answer
        indent = len(taken[0]) - len(taken[0].lstrip())
        return "\n".join(line[indent:].rstrip() for line in taken)


def _members(body: list[ast.stmt]) -> tuple[tuple[str, str], ...]:
    """(name, summary) of the first public functions and classes."""
    members = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            about = parse(ast.get_docstring(node))
            if about:
                members.append((node.name, about.summary))
    return tuple(members[:10])


def _parameters(arguments: ast.arguments) -> tuple[Parameter, ...]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [
        *zip(plain, defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return tuple(
        Parameter(
            argument.arg,
            ast.unparse(argument.annotation) if argument.annotation else "",
            ast.unparse(default) if default is not None else "",
            default is not None,
        )
        for argument, default in pairs
    )


def _is_stub(body: list[ast.stmt]) -> bool:
    """Nothing but `pass`, `...` or a refusal: no answer to a request for code."""
    return all(
        isinstance(node, ast.Pass | ast.Raise)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in body
    )


def _raised_and_called(node: ast.AST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(exceptions it raises itself, the first six plain names it calls)."""
    raised, called = [], []
    for part in ast.walk(node):
        if isinstance(part, ast.Raise) and part.exc is not None:
            name = _dotted(part.exc.func if isinstance(part.exc, ast.Call) else part.exc)
            if name != "NotImplementedError" and EXCEPTION.fullmatch(name):
                raised.append(name)
        elif isinstance(part, ast.Call):
            name = _dotted(part.func)
            if CALLED.fullmatch(name) and not name.startswith(("self.", "cls.")):
                called.append(name)
    return tuple(dict.fromkeys(raised)), tuple(dict.fromkeys(called))[:6]


def _dotted(node: ast.expr) -> str:
    """`a.b.c` for a plain name, empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""
