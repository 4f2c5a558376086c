"""Extension of griffe, which reads the sources for mkdocstrings."""

import ast
from typing import Any

import griffe

from docstrings import to_markdown
from faces import comment_above


class HouseDocstrings(griffe.Extension):
    """Rewrites docstrings, and takes the comments above values for docstrings."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for everything that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
        elif obj.is_attribute and obj.parent is not None and obj.parent.is_module:
            _take_comment(obj, obj.parent)

    def on_module_members(
        self, *, node: ast.AST, mod: griffe.Module, **kwargs: Any
    ) -> None:
        """Called by griffe for every module, whose pairs of values it leaves out."""
        for statement in getattr(node, "body", []):
            if not isinstance(statement, ast.Assign):
                continue
            target, value = statement.targets[0], statement.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                for name, item in zip(target.elts, value.elts, strict=True):
                    attribute = griffe.Attribute(
                        ast.unparse(name),
                        lineno=statement.lineno,
                        endlineno=statement.end_lineno,
                        value=ast.unparse(item),
                        parent=mod,
                    )
                    attribute.labels.add("module-attribute")
                    _take_comment(attribute, mod)
                    mod.set_member(attribute.name, attribute)


def _take_comment(attribute: griffe.Object, module: griffe.Object) -> None:
    comment = comment_above(list(module.lines), attribute.lineno or 1)
    if comment:
        attribute.docstring = griffe.Docstring(comment, parent=attribute)
