"""The documentation site: every page is in it, what comes from code is up to date, links are followed.

`make docs` builds it and follows every link and anchor; here is what needs no builder.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.test_locks import pins
from tools import docs_site, reference

# Of what Airflow itself imports
pytestmark = pytest.mark.filterwarnings("ignore:Using .httpx. with")
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG = (ROOT / "mkdocs.yml").read_text()


def nav() -> list[str]:
    return re.findall(r"^ +- (?:.*: )?([\w./-]+\.md)$", CONFIG.partition("\nnav:")[2], re.MULTILINE)


def test_every_page_is_in_the_site_once() -> None:
    pages = {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")}
    pages |= {docs_site.PAGES[name] for name in docs_site.COPIED}
    assert sorted(nav()) == sorted(pages)


@pytest.mark.parametrize("page", reference.PAGES)
def test_what_comes_from_code_is_up_to_date(page: str) -> None:
    assert (reference.FOLDER / page).read_text() == reference.PAGES[page](), (
        "python -m tools.reference writes it"
    )


def test_the_reference_has_every_name() -> None:
    import calendar_timetable
    from calendar_timetable import runtime

    told = {name for names in reference.PARTS.values() for name in names}
    assert told == {*calendar_timetable.__all__, *runtime.__all__}


def test_the_reference_has_every_metric() -> None:
    def names(page: str) -> set[str]:
        rows = re.findall(r"^\| `(calendar_timetable\.[\w.]+)` \|", page, re.MULTILINE)
        return set(rows)

    assert names(reference.metrics()) == names((DOCS / "metrics.md").read_text())


def test_ci_builds_it_with_an_environment_of_its_own() -> None:
    assert re.search(r"^make .*\bdocs\b", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    lock = (ROOT / "locks/docs.txt").read_text()
    assert "mkdocs-material" in pins("docs") and "uv" in pins("docs")
    assert "://" not in lock
    for other in ("airflow-3.2", "airflow-3.3", "airflow-3.4", "demo"):
        assert "mkdocs" not in pins(other)


def test_it_is_strict_and_asks_nobody() -> None:
    assert re.search(r"^strict: true$", CONFIG, re.MULTILINE)
    assert re.search(r"^  font: false", CONFIG, re.MULTILINE)
    assert "://" not in CONFIG


def test_pages_of_the_site_say_what_those_of_the_repository_say() -> None:
    text, sources = docs_site.for_site(
        "# Install\n\n"
        "[a](../CHANGELOG.md#unreleased) [b](start.md) [c](../example_dags/gpu_training.py) "
        "[d](https://example.com/x.md) [e](#install)\n\n"
        "| `a\\|b` | c \\| d |\n"
        "```text\n[a](../CHANGELOG.md) `a\\|b`\n```\n",
        "docs/install.md",
    )
    assert text == (
        "# Install\n\n"
        "[a](changelog.md#unreleased) [b](start.md) [c](source/example_dags/gpu_training.py.md) "
        "[d](https://example.com/x.md) [e](#install)\n\n"
        "| `a|b` | c \\| d |\n"
        "```text\n[a](../CHANGELOG.md) `a\\|b`\n```\n"
    )
    assert sources == {"example_dags/gpu_training.py"}


def test_pages_in_folders_lead_out_of_them() -> None:
    text, _ = docs_site.for_site(
        "[a](../start.md) [b](cron.md) [c](../../README.md)", "docs/how-to/x.md"
    )
    assert text == "[a](../start.md) [b](cron.md) [c](../index.md)\n"
    text, _ = docs_site.for_site("[a](docs/start.md)", "CONTRIBUTING.md")
    assert text == "[a](start.md)\n"


def test_what_belongs_to_an_item_stays_in_it() -> None:
    text, _ = docs_site.for_site(
        "1. one\n   more\n\n   ```sh\n   $ x\n     y\n   ```\n2. two\n   * inner\n     more\n\nout\n",
        "docs/x.md",
    )
    assert text == (
        "1. one\n    more\n\n    ```sh\n    $ x\n      y\n    ```\n\n2. two\n    * inner\n"
        "        more\n\nout\n"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('<a href="b.html#there">x</a>', []),
        ('<a href="https://example.com/">x</a>', []),
        ('<a href="c.html">x</a>', ["a.html: c.html leads nowhere"]),
        ('<a href="b.html#gone">x</a>', ["a.html: b.html#gone: there is no such heading"]),
        ('<a href="#gone">x</a>', ["a.html: #gone: there is no such heading"]),
        (
            '<script src="https://example.com/x.js"></script>',
            ["a.html: a part comes from another host: https://example.com/x.js"],
        ),
        ('<img src="gone.png">', ["a.html: gone.png leads nowhere"]),
        ("<p>text\n* not a list</p>", ["a.html: Markdown is left: text * not a list"]),
    ],
)
def test_what_is_wrong_with_a_built_site_is_told(
    body: str, found: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<h2 id="there">There</h2>')
    assert docs_site.problems(tmp_path) == found
