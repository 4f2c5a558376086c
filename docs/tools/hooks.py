"""Hooks of MkDocs: adds the generated pages, and checks the site that was built."""

import html
import re
import sys
from functools import cache
from pathlib import Path
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

_linked_code = LinkedCode()
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
    """Adds generated pages, and what there is outside of docs/."""
    for path, text in {**api_pages(), **_code_pages()}.items():
        files.append(File.generated(config, path, content=text))
    for path, page in repository_pages.PAGES.items():
        files.append(File.generated(config, page, content=repository_pages.read(path)))
    for path in sorted(repository_pages.linked_files()):
        target = repository_pages.site_path(path)
        source = str(ROOT / path)
        files.append(File.generated(config, target, abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, **kwargs: Any) -> str:
    """Turns links between files of the repository into links of the site."""
    path = page.file.src_uri
    # Names without a package are those of others there.
    _linked_code.without_package = not path.startswith("migration_")
    return repository_pages.with_site_links(
        markdown, repository_pages.repository_path(path)
    )


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
