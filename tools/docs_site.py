"""Build the documentation site into site/, and check it: ``make docs``.

The pages are those of docs/, as they read in the repository. They are laid out in a folder of their
own first: links that lead out of docs/ get a page to lead to, and what Markdown means otherwise to
the site's builder is written as that means it. Then every link and anchor of the built pages is
followed, and none may ask another host for a part of itself. ``--serve`` lets one read the result.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
# Pages of the repository that are no files of docs/, and what they are there.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "security.md",
}
COPIED = ("CHANGELOG.md", "CONTRIBUTING.md")
ICONS = ROOT / "ui" / "public"
LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "sh", ".toml": "toml"}

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})")
_ITEM = re.compile(r"^( *)([*-]|\d+\.) +(?=\S)")
_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)((?:#[^)\s]*)?\))")
_CODE = re.compile(r"`[^`]*`")


def build() -> list[str]:
    """Build the site, and return what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="docs-site-") as folder:
        staged = Path(folder, "docs")
        stage(staged)
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--clean"]
        env = {**os.environ, "DOCS_STAGED": str(staged), "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(command, cwd=ROOT, env=env, check=False)  # noqa: S603
    return problems(SITE) if done.returncode == 0 else ["the site could not be built, see above"]


def stage(to: Path) -> None:
    """Lay the pages out in the folder *to*, as the site's builder reads them."""
    shutil.copytree(ROOT / "docs", to)
    for icon in ("icon.svg", "icon-dark.svg"):
        shutil.copy(ICONS / icon, to / "images" / icon)
    sources: set[str] = set()
    pages = {f"docs/{path.relative_to(to).as_posix()}": path for path in sorted(to.rglob("*.md"))}
    pages |= {name: to / PAGES[name] for name in COPIED}
    for name, path in pages.items():
        text, led = for_site((ROOT / name).read_text(encoding="utf-8"), name)
        sources |= led
        path.write_text(text, encoding="utf-8")
    for name in sorted(sources):
        _source_page(name, to)


def for_site(text: str, name: str) -> tuple[str, set[str]]:
    """Return the page *name* as the site has it, and which sources of the repository it links.

    *name* is its path in the repository.
    """
    sources: set[str] = set()
    here = PurePosixPath(PAGES.get(name, name.removeprefix("docs/"))).parent
    lines = []
    for line, is_code in _lines(text):
        if not is_code:
            line = _LINK.sub(partial(_led, name, here, sources), line)  # noqa: PLW2901
            if line.startswith("|"):
                line = _CODE.sub(lambda code: code[0].replace("\\|", "|"), line)  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines) + "\n", sources


def _led(name: str, here: PurePosixPath, sources: set[str], link: re.Match[str]) -> str:
    """Return *link* as it leads from the page's place in the site."""
    target = normpath(str(PurePosixPath(name).parent / link[2]))
    if target in PAGES:
        place = PAGES[target]
    elif target.startswith("docs/"):
        place = target.removeprefix("docs/")
    elif (ROOT / target).exists():
        sources.add(target)
        place = _place(target)
    else:
        return link[0]  # the site's builder says that it is not there
    return f"{link[1]}{relpath(place, str(here))}{link[3]}"


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Return each line as the builder wants it, and whether it is code.

    What belongs to an item of a list has to be four blanks further in; people write two or three.
    After an item of several paragraphs the next one needs an empty line before it.
    """
    fence = ""
    apart = False  # whether the item of this line has an empty line in it
    before = ""
    items: list[tuple[int, int]] = []  # by how many blanks a text of an item is in, and is to be
    for raw in text.splitlines():
        line = raw
        blanks = len(line) - len(line.lstrip(" "))
        item = None if fence else _ITEM.match(line)
        if line.strip() and not fence:
            while items and blanks < items[-1][0]:
                items.pop()
        if not fence and not line.strip():
            apart = bool(items)
        if item and apart and before.strip():
            yield "", False
            apart = False
        written, wanted = items[-1] if items else (0, 0)
        if line.strip() and items:
            line = " " * (wanted + max(blanks - written, 0)) + line.lstrip(" ")
        if item:
            items.append((len(item[0]), wanted + 4))
            if not items[:-1]:
                line = raw
        opened = _FENCE.match(raw)
        is_code = bool(fence or opened)
        if opened and (not fence or opened[2].startswith(fence)):
            fence = "" if fence else opened[2]
        before = raw
        yield line, is_code


def _place(source: str) -> str:
    """Where the site has a page of a file, or a folder, of the repository."""
    return f"source/{source}/index.md" if (ROOT / source).is_dir() else f"source/{source}.md"


def _source_page(name: str, to: Path) -> None:
    """Write the page of a file of the repository; of a folder, one that leads to its files."""
    file = ROOT / name
    if file.is_dir():
        shown = [
            each.relative_to(ROOT).as_posix()
            for each in sorted(file.rglob("*"))
            if each.is_file() and not each.name.startswith(".") and _text_of(each).strip()
        ]
        for each in shown:
            _source_page(each, to)
        body = "\n".join(
            f"* [`{each}`]({relpath(_place(each), PurePosixPath(_place(name)).parent)})"
            for each in shown
        )
    else:
        language = LANGUAGES.get(file.suffix, "text")
        body = f"~~~~{language}\n{_text_of(file).rstrip()}\n~~~~"
    page = to / _place(name)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        f"---\nsearch:\n  exclude: true\n---\n# {name}\n\n{body}\n",
        encoding="utf-8",
    )


def _text_of(file: Path) -> str:
    """Return the text of a file; nothing where it has none."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


class Page(HTMLParser):
    """What a built page has: anchors, links, and parts that the browser fetches by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.raw: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag in ("p", "li", "pre", "td"):
            self._in.append(tag)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.parts.append(found.get("href", ""))
        elif "src" in found:
            self.parts.append(found["src"])

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Take note of Markdown that was not understood."""
        if (
            self._in
            and self._in[-1] == "p"
            and re.search(r"^(\* |\d+\. |\| |```)|\]\(", data, re.MULTILINE)
        ):
            self.raw.append(" ".join(data.split())[:70])


def problems(site: Path) -> list[str]:
    """Return links and anchors that lead nowhere, parts from elsewhere, Markdown that is left."""
    pages = {
        file.relative_to(site).as_posix(): Page(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
        if file.name != "404.html"  # its links count from the root of whatever host serves it
    }
    files = {file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()}
    found = []
    for name, page in pages.items():
        found += [f"{name}: Markdown is left: {text}" for text in page.raw]
        found += [
            f"{name}: a part comes from another host: {part}"
            for part in page.parts
            if urlsplit(part).netloc
        ]
        for link in [*page.links, *page.parts]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = normpath(str(PurePosixPath(name).parent / unquote(parts.path)))
            path = path if parts.path else name
            path = (
                f"{path}/index.html".removeprefix("./") if f"{path}/index.html" in files else path
            )
            path = "index.html" if path == "." else path
            anchor = unquote(parts.fragment)
            if path not in files:
                found.append(f"{name}: {link} leads nowhere")
            elif anchor and path in pages and anchor not in pages[path].anchors:
                found.append(f"{name}: {link}: there is no such heading")
    for style in sorted(site.rglob("*.css")):
        if re.search(r"url\(\s*[\"']?https?:|@import\s+[\"']https?:", style.read_text()):
            found.append(f"{style.relative_to(site)}: a part comes from another host")
    return found


def serve() -> None:
    """Serve the built site on this machine until interrupted."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def main() -> None:
    """Build, check, and serve where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve the site on this machine")
    arguments = parser.parse_args()
    found = build()
    if found:
        raise SystemExit("\n".join(found))
    pages = len(list(SITE.rglob("*.html")))
    print(f"{SITE.relative_to(ROOT)}/: {pages} pages, all links lead somewhere")
    if arguments.serve:
        serve()


if __name__ == "__main__":
    main()
