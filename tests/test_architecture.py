"""The rules of the house that no linter knows."""

import ast
import doctest
import functools
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import kseq2seq
from kseq2seq import layers, trainer
from large_extras import skip_without_extra

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kseq2seq"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    path
    for folder in ("training", "benchmarks", "examples")
    for path in ROOT.glob(f"{folder}/**/*.py")
)
TESTS = sorted(ROOT.glob("tests/**/*.py"))

# The floors of the house. A file imports files of its own folder and of those around
# it, and the faces (`__init__`) of packages on lower floors. What stands in no package
# is a front door, a room of one file.
FLOORS = [
    {"utils"},
    {"evaluation", "optimizers", "data"},
    {"layers", "tokenizers", "decoding", "plots"},
    {"losses", "tfa", "runs", "config"},
    {"models", "presets"},
    {"inference"},
    {"export"},
    {"translator", "transcriber"},
    {"beam", "callbacks", "serve"},
    {"trainer"},
    {"cli"},
    {"__main__"},
]
LEVELS = {name: level for level, floor in enumerate(FLOORS) for name in floor}
# `kseq2seq` itself loads what it names when it is asked for; it names no trainer and no
# command.
FRONT_DOORS, USE_THE_FRONT_DOOR = {""}, {"trainer", "cli"}

# The other packages run on each of Keras's backends.
NEED_TENSORFLOW = {
    "tokenizers", "data", "inference", "export", "translator", "transcriber",
    "callbacks", "trainer", "cli",
}  # fmt: skip
# Where it is the backend, and imported in functions alone.
USE_TENSORFLOW = {
    "optimizers", "layers.recurrent.scans", "losses.sampled",
    "losses.vocabulary_logits", "models.scheduled_sampling", "models.seq2seq_model",
    "utils.gather", "utils.gradients", "utils.stderr",
}  # fmt: skip
TENSORFLOW = {"tensorflow", "tensorflow_text", "tensorflow_datasets"}
# Slow to import, and not needed by all who import the package.
IMPORTED_WHERE_USED = {
    "matplotlib",
    "huggingface_hub",
    "tensorflow_datasets",
    "babel",
    "tensorflow_serving",
    "tf2onnx",
    "onnx",
    "ai_edge_litert",
}

# The one file that may use names that are no public API, and says why.
USES_PRIVATE_NAMES = "kseq2seq/utils/gradients.py"
# Public, though they begin with `_`.
OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}

MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 420, 60, 10
# A module of so many lines has a test file of its own.
LINES_WITH_TESTS = 100
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def relative_path(path):
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parse(path):
    return ast.parse(Path(path).read_text(encoding="utf-8"), path)


def imported_names(node):
    """Full names that an import statement brings in; none for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return [f"{module}.{alias.name}" for alias in node.names]
    return []


def all_imported_names(tree):
    return [name for node in ast.walk(tree) for name in imported_names(node)]


def imported_at_once(node):
    """Names that are imported when the module is, not when a function is called."""
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and ast.unparse(child.test) == (
            "TYPE_CHECKING"
        )
        if not isinstance(child, FUNCTIONS) and not for_types:
            yield from imported_names(child)
            yield from imported_at_once(child)


def own_module(name):
    """The package's module that an imported name is, or is found in."""
    name = name.removeprefix("kseq2seq").lstrip(".")
    home, _, last = name.rpartition(".")
    if home and is_package(home) and last in names_of_face(home):
        return home
    while name and not is_module(name):
        name = name.rpartition(".")[0]
    return name


def names_of_face(package):
    """The names in the `__all__` of a package of ours."""
    tree = parse(PACKAGE.joinpath(*package.split("."), "__init__.py"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def is_module(name):
    path = PACKAGE.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def is_package(name):
    return PACKAGE.joinpath(*name.split("."), "__init__.py").is_file()


def room(name):
    """The package, or front door, in which a module stands."""
    return name.partition(".")[0]


def folder(name):
    return name if is_package(name) else name.rpartition(".")[0]


def may_import(importer, imported):
    """Whether a module may import another one; both by their names in the package."""
    if room(importer) == room(imported):
        around = folder(importer)
        here = folder(imported) if not is_package(imported) else imported
        if not is_package(imported):
            # A file of the same folder, or of one around it.
            return around == here or around.startswith(f"{here}.")
        if is_package(importer):
            return imported.startswith(f"{importer}.")
        # The face of another folder of the package, and not one's own.
        return not f"{around}.".startswith(f"{imported}.")
    is_face = imported == room(imported)
    return is_face and LEVELS[room(imported)] < LEVELS[room(importer)]


def forbidden_imports(tree, importer):
    """Imports of the package's modules that `importer` may not make."""
    forbidden = []
    for name in all_imported_names(tree):
        if name.startswith("."):  # modules are named in full
            forbidden.append(name)
        if name.partition(".")[0] != "kseq2seq" or name == "kseq2seq.__version__":
            continue
        imported = own_module(name)
        if not imported:
            if room(importer) not in USE_THE_FRONT_DOOR:
                forbidden.append(name)
        elif not may_import(importer, imported):
            forbidden.append(name)
    return forbidden


def circles(imports):
    """Modules that import themselves by way of others, of a dict of sets."""
    done, circular = set(), set()

    def visit(module, path):
        if module in path:
            circular.update(path[path.index(module) :])
        elif module not in done:
            for imported in imports.get(module, ()):
                visit(imported, [*path, module])
            done.add(module)

    for module in imports:
        visit(module, [])
    return circular


def private_names(tree):
    """Names of Keras and TensorFlow that are no public API."""
    names = all_imported_names(tree)
    names += [ast.unparse(x) for x in ast.walk(tree) if isinstance(x, ast.Attribute)]
    private = r"keras\.(src|_)|(tensorflow|tf)\.(python\b|_(?!_))"
    return [name for name in names if re.match(private, name)]


def defined_names(tree):
    """All names that code gives to something, be it an attribute or an argument."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def private_attributes(tree):
    """Attributes by names that begin with one underscore."""
    attributes = {x.attr for x in ast.walk(tree) if isinstance(x, ast.Attribute)}
    return {x for x in attributes if re.match("_(?!_)", x)} - OF_NAMED_TUPLES


def overridden_private_names(cls):
    """Private names of a class of ours that a base class of others has too."""
    others = [x for x in cls.__mro__ if not x.__module__.startswith("kseq2seq")]
    own = [x for x in vars(cls) if re.match("_(?!_)", x)]
    # What Python itself puts into abstract and generic classes.
    own = [x for x in own if not x.startswith("_abc_") and x != "_is_protocol"]
    return [x for x in own if any(x in vars(other) for other in others)]


def lines_without_docstring(function):
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        first = function.body[0]
        lines -= first.end_lineno - first.lineno + 1
    return lines


IN_ROOMS = [path for path in MODULES if module_name(path) not in FRONT_DOORS]


def breaches(rule, paths):
    """By file, all that breaks a rule, a function from a path to a list of it."""
    found = {relative_path(path): rule(path) for path in paths}
    return {name: breach for name, breach in found.items() if breach}


def test_every_room_has_a_floor(capsys):
    assert {room(module_name(path)) for path in IN_ROOMS} == {*LEVELS}
    with capsys.disabled():
        print()
        for level, floor in reversed([*enumerate(FLOORS)]):
            print(f"  floor {level}: {', '.join(sorted(floor))}")


def test_imports_go_down():
    assert not breaches(lambda x: forbidden_imports(parse(x), module_name(x)), IN_ROOMS)


def test_nothing_imports_itself_by_way_of_others():
    imports = {
        module_name(path): {
            own_module(name)
            for name in all_imported_names(parse(path))
            if name.startswith("kseq2seq.") and name != "kseq2seq.__version__"
        }
        for path in IN_ROOMS
    }
    assert not circles(imports)


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == {"b", "c"}


def test_scripts_import_faces():
    def behind_a_face(path):
        own = [x for x in all_imported_names(parse(path)) if x.startswith("kseq2seq.")]
        return [x for x in own if "." in own_module(x)]

    assert not breaches(behind_a_face, SCRIPTS)


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("layers.attention.luong", "from kseq2seq.models import build_model"),
        ("layers.attention.luong", "from kseq2seq import models"),
        ("layers.attention.luong", "from kseq2seq import tokenizers, models"),
        ("layers.attention.luong", "import kseq2seq.models"),
        ("layers.attention.luong", "import numpy, kseq2seq.models as m"),
        ("layers.attention.luong", "import kseq2seq"),
        ("layers.attention.luong", "from kseq2seq import build_model"),
        ("layers.attention.luong", "from . import models"),
        ("layers.attention.luong", "from .models import build_model"),
        ("layers.attention.luong", "def f():\n    from kseq2seq import models"),
        # A face that the file itself is a part of.
        ("layers.attention.luong", "from kseq2seq.layers import LSTM"),
        ("layers.attention.luong", "from kseq2seq.layers.attention import Attention"),
        # Files of other packages, and of other folders of the package.
        ("layers.attention.luong", "from kseq2seq.utils.special_ids import PAD_ID"),
        ("layers.attention.luong", "from kseq2seq.layers.recurrent import lstm"),
        # The same floor.
        ("decoding.step", "from kseq2seq.layers import LSTM"),
    ],
)
def test_a_forbidden_import_is_found(importer, statement):
    assert forbidden_imports(ast.parse(statement), importer)


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("layers.attention.luong", "from kseq2seq.layers.attention.base import x"),
        ("layers.attention.luong", "from kseq2seq.layers.attention import scores"),
        ("layers.attention.luong", "from kseq2seq.layers.dropout import Dropout"),
        ("layers.decoder.rnn", "from kseq2seq.layers.attention import Attention"),
        ("layers.attention.luong", "from kseq2seq import utils, __version__"),
        ("layers.attention.luong", "import kseq2seq.utils"),
        ("layers.attention.luong", "import kseq2seqlike"),
        ("layers", "from kseq2seq.layers.attention import Attention"),
        ("layers", "from kseq2seq.layers.dropout import Dropout"),
        ("models.build", "from kseq2seq.config import Seq2SeqConfig"),
    ],
)
def test_an_import_downwards_may_be(importer, statement):
    assert not forbidden_imports(ast.parse(statement), importer)


def test_private_names_stand_in_one_file():
    marked = ROOT / USES_PRIVATE_NAMES
    assert "# Private API: " in marked.read_text(encoding="utf-8")
    others = [x for x in MODULES + SCRIPTS + TESTS if x != marked]
    assert not breaches(lambda path: private_names(parse(path)), others)


@pytest.mark.parametrize(
    "statement",
    [
        "import keras.src.ops",
        "from keras.src import ops",
        "from keras import src",
        "import keras\ny = keras.src.ops.add",
        "import tensorflow.python.eager",
        "from tensorflow.python.eager import context",
        "import tensorflow as tf\ntf.python.eager.context",
    ],
)
def test_a_private_name_is_found(statement):
    assert private_names(ast.parse(statement))


def test_private_attributes_are_our_own():
    """Those of an object of Keras or TensorFlow are given a name nowhere here."""
    defined = {name for path in MODULES for name in defined_names(parse(path))}
    foreign = {
        relative_path(path): private_attributes(parse(path)) - defined
        for path in MODULES
    }
    assert [path for path, names in foreign.items() if names] == [USES_PRIVATE_NAMES]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_private_name_of_a_base_class_is_overridden(path):
    name = f"kseq2seq.{module_name(path)}".rstrip(".")
    skip_without_extra(name)
    module = importlib.import_module(name)
    classes = [x for x in vars(module).values() if inspect.isclass(x)]
    own = [x for x in classes if x.__module__ == module.__name__]
    assert not [name for x in own for name in overridden_private_names(x)]


def test_a_private_name_of_a_base_class_is_found():
    class Mine(keras.optimizers.SGD):
        __module__ = "kseq2seq.mine"

        def _clip_gradients(self, gradients):
            return gradients

        def _of_its_own(self):
            return None

    assert overridden_private_names(Mine) == ["_clip_gradients"]
    assert private_attributes(
        ast.parse("optimizer._momentums[0], pair._replace()")
    ) == {"_momentums"}


def packages_of(names):
    return {name.partition(".")[0] for name in names}


def test_tensorflow_only_where_it_must_be():
    def imported(path):
        used = module_name(path) in USE_TENSORFLOW
        names = imported_at_once if used else all_imported_names
        return packages_of(names(parse(path))) & TENSORFLOW

    free = [x for x in MODULES if room(module_name(x)) not in NEED_TENSORFLOW]
    assert not breaches(imported, free)


def test_what_is_slow_to_import_is_imported_where_used():
    def imported(path):
        return packages_of(imported_at_once(parse(path))) & IMPORTED_WHERE_USED

    assert not breaches(imported, MODULES + SCRIPTS)


def test_imports_at_once_are_found():
    tree = ast.parse(
        "import a.b\n"
        "try:\n    from c import d\nexcept ImportError:\n    import e\n"
        "class X:\n    import f\n    def method(self):\n        import g\n"
        "def function():\n    import h\n"
        "if TYPE_CHECKING:\n    import i\n"
    )
    assert list(imported_at_once(tree)) == ["a.b", "c.d", "e", "f"]


def test_errors_are_raised():
    """They say what was expected and received, which an assertion does not."""

    def lines_of_assertions(path):
        return [x.lineno for x in ast.walk(parse(path)) if isinstance(x, ast.Assert)]

    assert not breaches(lines_of_assertions, MODULES + SCRIPTS)


def test_work_is_finished():
    def left(path):
        text = path.read_text(encoding="utf-8")
        return re.findall(r"TODO|FIXME|XXX|NotImplementedError", text)

    assert not breaches(left, MODULES + SCRIPTS)


def count_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_modules_are_short():
    def too_long(path):
        lines = count_lines(path)
        return lines if lines > MAX_MODULE_LINES else None

    assert not breaches(too_long, MODULES + SCRIPTS)


def file_of_tests(path):
    """The file of the tests of a module: under its name, in a folder like its own."""
    own = path.relative_to(PACKAGE)
    return ROOT / "tests" / own.with_name(f"test_{own.name}")


def test_tests_mirror_the_packages():
    def without_tests(path):
        lines = count_lines(path)
        has_tests = lines < LINES_WITH_TESTS or file_of_tests(path) in TESTS
        return None if has_tests else lines

    own = [path for path in MODULES if path.stem != "__init__"]
    assert not breaches(without_tests, own)
    data = file_of_tests(PACKAGE / "data" / "tsv.py")
    assert relative_path(data) == "tests/data/test_tsv.py"


def test_functions_are_short():
    def too_long(path):
        functions = [x for x in ast.walk(parse(path)) if isinstance(x, FUNCTIONS)]
        lengths = [(x.name, lines_without_docstring(x)) for x in functions]
        return [(x, lines) for x, lines in lengths if lines > MAX_FUNCTION_LINES]

    assert not breaches(too_long, MODULES + SCRIPTS)


def own_arguments(function):
    """Arguments of a function but for self, and those for `keras.layers.Layer`."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [x.arg for x in named if x.arg != "self"]


def test_constructors_take_few_arguments():
    def too_many(path):
        functions = [x for x in ast.walk(parse(path)) if isinstance(x, FUNCTIONS)]
        constructors = [x for x in functions if x.name == "__init__"]
        return [x.lineno for x in constructors if len(own_arguments(x)) > MAX_ARGUMENTS]

    assert not breaches(too_many, MODULES)


def names_of_mechanisms():
    """Layers that are attention of some kind, and the words of the config for them."""
    classes = [x for x in vars(layers).values() if inspect.isclass(x)]
    kinds = [x for x in classes if issubclass(x, layers.Attention)]
    names = {x.__name__ for x in kinds if x is not layers.Attention}
    # Beam search has a penalty of that name.
    return names | {*layers.MECHANISMS} - {"coverage"}


def names_and_strings(tree):
    """All that code calls by name, and all text in it that is no docstring."""
    documented = (ast.Module, ast.ClassDef, *FUNCTIONS)
    bodies = [x.body for x in ast.walk(tree) if isinstance(x, documented)]
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.value


# What trains some mechanisms faster has to know which; all others go the usual way.
KNOWS_MECHANISMS = r"layers.decoder.fused(_attention)?$"
KNOWS_NONE = rf"(?!{KNOWS_MECHANISMS})(layers.decoder|models|decod|inf)"


def test_no_mechanism_is_known_by_name():
    general = [path for path in MODULES if re.match(KNOWS_NONE, module_name(path))]
    mechanisms = names_of_mechanisms()
    assert general and mechanisms

    def named(path):
        return mechanisms & set(names_and_strings(parse(path)))

    assert not breaches(named, general)


def test_lines_of_a_function_leave_out_its_docstring():
    code = '@decorator\ndef f(\n    x,\n):\n    """One.\n\n    Two.\n    """\n    pass'
    assert lines_without_docstring(ast.parse(code).body[0]) == 4


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_examples_in_docstrings_run(path):
    name = f"kseq2seq.{module_name(path)}".rstrip(".")
    skip_without_extra(name)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"keras": keras})
    assert failed == 0


def test_what_is_public_has_a_docstring():
    def without(path):
        tree = parse(path)
        named = [x for x in tree.body if isinstance(x, (*FUNCTIONS, ast.ClassDef))]
        public = [
            x
            for x in named
            if not x.name.startswith("_")
            and "overload" not in map(ast.unparse, x.decorator_list)
        ]
        names = [x.name for x in public if not ast.get_docstring(x)]
        return names if ast.get_docstring(tree) else ["the module", *names]

    assert not breaches(without, MODULES)


def test_docstrings_name_the_thing():
    def relative_clauses(path):
        documented = (ast.Module, ast.ClassDef, *FUNCTIONS)
        nodes = [x for x in ast.walk(parse(path)) if isinstance(x, documented)]
        first = [x.splitlines()[0] for x in map(ast.get_docstring, nodes) if x]
        return [x for x in first if re.match(r"(What|Whatever|Who|How|Where)\b", x)]

    assert not breaches(relative_clauses, MODULES + SCRIPTS + TESTS)


def test_arguments_are_described_by_nouns():
    def relative_clauses(path):
        text = path.read_text(encoding="utf-8")
        return re.findall(r"^ +\**\w+: What(?:ever)? .*", text, re.MULTILINE)

    assert not breaches(relative_clauses, MODULES)


def public_functions(tree):
    """Functions, and methods of classes, by names without an underscore."""
    classes = [x for x in tree.body if isinstance(x, ast.ClassDef)]
    of_classes = [x for cls in classes if cls.name[0] != "_" for x in cls.body]
    functions = [x for x in [*tree.body, *of_classes] if isinstance(x, FUNCTIONS)]
    named = ("__init__", "__call__")
    return [x for x in functions if x.name[0] != "_" or x.name in named]


def is_annotated(function):
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    given += [x for x in (arguments.vararg, arguments.kwarg) if x]
    annotated = [x.annotation for x in given if x.arg not in ("self", "cls")]
    return None not in (*annotated, function.returns)


def test_what_is_public_is_annotated():
    def without(path):
        functions = public_functions(parse(path))
        return [x.name for x in functions if not is_annotated(x)]

    assert not breaches(without, MODULES)
    code = "def f(x): pass\nclass A:\n    def __init__(self, *x) -> None: pass"
    assert not any(map(is_annotated, public_functions(ast.parse(code))))


PUBLIC_API = [
    *((kseq2seq, name) for name in kseq2seq.__all__),
    *((layers, x) for x in vars(layers) if x[0].isupper()),
]


@pytest.mark.parametrize(
    ("home", "name"), PUBLIC_API, ids=[f"{x.__name__}.{y}" for x, y in PUBLIC_API]
)
def test_public_api_has_an_example(home, name):
    value = getattr(home, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert ">>> " in inspect.getdoc(value)


def test_public_names_are_listed_and_others_refused():
    assert set(kseq2seq.__all__) <= set(dir(kseq2seq))
    for module in (kseq2seq, trainer):
        with pytest.raises(
            AttributeError, match=f"'{module.__name__}' has no attribute 'nothing'"
        ):
            module.nothing  # noqa: B018


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import kseq2seq; dir(kseq2seq); kseq2seq.__version__"],
        ["-m", "kseq2seq", "--help"],
        ["training/train.py", "--help"],
    ],
    ids=["import", "cli", "train"],
)
def test_what_must_be_quick_imports_nothing_slow(command):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-1000:]
    imported = set(
        re.findall(r"^import time:.*\| +(\S+)$", result.stderr, re.MULTILINE)
    )
    assert "encodings" in imported
    assert not imported & {"keras", "numpy", *TENSORFLOW, *IMPORTED_WHERE_USED}


def test_no_file_names_a_path_of_some_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not in a git repository")
    pattern = re.compile(r"(?<![\w.])/(work|tmp|root|home|opt|mnt|Users)/\w")
    collected = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():  # and not deleted since
            text = path.read_text(encoding="utf-8", errors="replace")
            collected += [
                f"{name}: {line}" for line in text.splitlines() if pattern.search(line)
            ]
    assert listed.stdout and not collected
