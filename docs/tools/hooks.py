"""Hooks of MkDocs: adds the generated pages, and checks the site that was built."""

import html
import re
import sys
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import latex2mathml.converter
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import repository_pages
from faces import ROOT, find_faces
from generated_pages import api_pages, api_path, code_pages
from linked_code import LinkedCode
from tutorials import TutorialError, Tutorials

_linked_code = LinkedCode()
_tutorials = Tutorials()
_code_pages = cache(code_pages)


def on_config(config: MkDocsConfig) -> None:
    """Lists the pages of the API in the navigation, and adds our extension."""
    # For the extension of griffe, which is loaded later.
    sys.path.append(str(Path(__file__).parent))
    config.markdown_extensions.append(_linked_code)
    api = [{face.module: api_path(face.module)} for face in find_faces()]
    for section in config.nav or []:
        if "Reference" in section:
            section["Reference"].append({"API": api})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds generated pages and files outside of docs/, and starts the tutorials."""
    _tutorials.start([x.abs_src_path for x in files if _is_tutorial(x)])
    for path, text in {**api_pages(), **_code_pages()}.items():
        files.append(File.generated(config, path, content=text))
    for path, page in repository_pages.PAGES.items():
        files.append(File.generated(config, page, content=repository_pages.read(path)))
    for path in sorted(repository_pages.linked_files()):
        target = repository_pages.site_path(path)
        source = str(ROOT / path)
        files.append(File.generated(config, target, abs_src_path=source))
    return files


def _is_tutorial(file: File) -> bool:
    return bool(re.fullmatch(r"tutorials/\w+\.md", file.src_uri))


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Adds outputs of tutorials, and turns links of the repository into the site's."""
    path = page.file.src_uri
    if _is_tutorial(page.file):
        markdown = _executed(page.file, config, files)
    # Names without a package are those of others there.
    _linked_code.without_package = not path.startswith("migration_")
    return repository_pages.with_site_links(
        markdown, repository_pages.repository_path(path)
    )


def _executed(file: File, config: MkDocsConfig, files: Files) -> str:
    """The text of a tutorial with its outputs; adds pictures and notebook."""
    try:
        tutorial = _tutorials.executed(file.abs_src_path)
    except TutorialError as error:
        raise PluginError(str(error)) from None
    for name, content in tutorial.files.items():
        path = str(PurePosixPath(file.src_uri).with_name(name))
        files.append(File.generated(config, path, content=content))
    return tutorial.markdown


def on_page_content(html: str, **kwargs: Any) -> str:
    """Turns equations from TeX to MathML, which browsers show without a script."""
    return re.sub(
        r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>',
        _mathml,
        html,
        flags=re.S,
    )


def _mathml(match: re.Match) -> str:
    display = "block" if match[1] == "div" else "inline"
    tex = html.unescape(match[2]).strip()
    return latex2mathml.converter.convert(tex, display=display)


def on_post_build(config: MkDocsConfig) -> None:
    """Checks that the site describes every public name, and loads nothing from afar."""
    site = Path(config.site_dir)
    for face in find_faces():
        path = site / api_path(face.module).replace(".md", ".html")
        ids = set(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))
        names = {f"{face.module}.{x.name}" for x in face.names if x.kind != "module"}
        missing = names - ids
        if missing:
            raise PluginError(f"{path} does not describe {', '.join(sorted(missing))}")
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        remote = re.findall(
            r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*"'
            r'|<link\b[^>]*\brel="(?:stylesheet|preconnect|icon)"[^>]*"https?://[^"]*"',
            text,
        )
        if remote:
            raise PluginError(f"{path} loads files from elsewhere: {remote}")
