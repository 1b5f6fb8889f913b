#!/usr/bin/env python3
"""Checks the links of the book in target/book, and gives it the files of the repository that pages link to.

    book_links.py

mdBook makes `.html` of every link to a page, also of one to a page of the repository that is not in the book. Such a link leads to a copy of the
file in target/book/repository. Then every link and anchor has to lead somewhere. Called by .ci/book.
"""

import html.parser
import pathlib
import shutil
import sys
import urllib.parse

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if len(sys.argv) > 1:
    print("error: there are no arguments; --help describes what this does", file=sys.stderr)
    sys.exit(2)

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "target/book"


class Page(html.parser.HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            if value and (name == "href" and tag == "a" or name == "src" and tag in ("img", "script")):
                self.links.add(value)


def in_repository(page, link):
    """The file of the repository that a link of a page of docs/ is about; None where there is none."""
    path = (ROOT / "docs" / page.relative_to(BOOK)).parent / urllib.parse.unquote(link)
    for candidate in [path, path.with_suffix(".md")]:
        resolved = candidate.resolve()
        if resolved.exists() and resolved.is_relative_to(ROOT) and resolved != ROOT:
            return resolved
    return None


def main():
    pages = {path.resolve(): Page(path) for path in BOOK.rglob("*.html")}
    if len(pages) < 25:
        sys.exit(f"error: the book has {len(pages)} pages only")
    count, wrong = 0, []
    for path, page in sorted(pages.items()):
        # Whole pages for print and for links that lead nowhere have links of other pages in them.
        if path.name in ("print.html", "404.html", "toc.html"):
            continue
        text = path.read_text()
        for link in sorted(page.links):
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                source = in_repository(path, parts.path)
                if source is None:
                    wrong.append(f"{path.name}: {link}: there is no such file")
                    continue
                name = source.relative_to(ROOT)
                copy = BOOK / "repository" / name
                if source.is_dir():
                    copy.mkdir(parents=True, exist_ok=True)
                    (copy / "files.txt").write_text("".join(f"{entry.name}\n" for entry in sorted(source.iterdir())))
                    name = name / "files.txt"
                else:
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, copy)
                text = text.replace(f'href="{link}"', f'href="repository/{name}"')
            elif parts.fragment and target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{path.name}: {link}: there is no such heading")
        path.write_text(text)
    print("\n".join(wrong), end="\n" if wrong else "")
    print(f"book: {len(pages)} pages, {count} links, {len(wrong)} broken")
    sys.exit(bool(wrong))


main()
