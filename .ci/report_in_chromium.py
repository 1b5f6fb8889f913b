"""Opens report pages in headless Chromium and checks what a reader would run into.

    report_in_chromium.py CHROMIUM AXE OUT PAGE...

Each page is opened as on a phone and as on a desktop, light and dark, with all its details unfolded. Nothing may be written to the
console, nothing fetched, no image missing, and nothing may reach out of the page sideways. AXE is axe.min.js of axe-core, which may find
nothing serious; - leaves that out. Screenshots go to OUT.
"""

import pathlib
import re
import sys

from chromium import SCHEMES, VIEWS, Checks, Chromium, axe_source

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if len(sys.argv) < 5 or any(argument.startswith("-") and argument != "-" for argument in sys.argv[1:]):
    print("error: give CHROMIUM AXE OUT PAGE..., and no options; --help describes them", file=sys.stderr)
    sys.exit(2)

LOOK = """
(async () => {
  document.querySelectorAll('details').forEach(details => details.open = true);
  const images = [...document.querySelectorAll('svg image')];
  const sizes = await Promise.all(images.map(image => new Promise(resolve => {
    const copy = new Image();
    copy.onload = () => resolve(copy.naturalWidth);
    copy.onerror = () => resolve(0);
    copy.src = image.getAttribute('href');
  })));
  const figures = [...document.querySelectorAll('figure')];
  const wide = [...document.querySelectorAll('main *')].filter(element => {
    if (element.closest('.scroll') || element.closest('svg')) return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
  });
  // Words may lean out of their figure by less than the margin around it; what scrolls cuts off at its edge.
  const cut = [...document.querySelectorAll('svg text')].filter(text => {
    const box = text.getBoundingClientRect(), svg = text.ownerSVGElement.getBoundingClientRect();
    const margin = text.closest('.scroll') ? 0.5 : 8;
    return box.left < svg.left - margin || box.right > svg.right + margin || box.top < svg.top - 8 || box.bottom > svg.bottom + 8;
  });
  // Letters fill about half of a line's box in height: only words that run into each other along the line count.
  const collisions = [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], index) => boxes.slice(index + 1).filter(([, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      return across > 1 && down > 0.6 * Math.min(a.height, b.height);
    }).map(([other]) => `${one} / ${other}`));
  });
  // The connections of a graph are its only lines outside of a chart.
  const lines = [...document.querySelectorAll('figure svg > path')];
  const strayed = lines.filter(line => {
    const box = line.getBoundingClientRect(), svg = line.ownerSVGElement.getBoundingClientRect();
    return box.left < svg.left || box.right > svg.right || box.top < svg.top || box.bottom > svg.bottom;
  });
  const smallest = Math.min(...[...document.querySelectorAll('svg text')].map(text =>
    parseFloat(text.getAttribute('font-size')) * Math.abs(text.getScreenCTM().a || text.getScreenCTM().b)));
  return {
    title: document.title,
    figures: figures.length,
    drawn: figures.filter(figure => {
      const box = figure.querySelector('svg')?.getBoundingClientRect();
      return box && box.width > 100 && box.height > 50;
    }).length,
    images: images.length,
    loaded: sizes.filter(size => size > 0).length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    wide: wide.slice(0, 3).map(element => element.outerHTML.slice(0, 80)),
    cut: cut.slice(0, 3).map(text => text.textContent),
    collisions: collisions.slice(0, 3),
    lines: lines.length,
    strayed: strayed.slice(0, 3).map(line => line.textContent),
    smallest,
    scripts: document.scripts.length,
    paper: getComputedStyle(document.body).backgroundColor,
    // A link to the file of an image is followed by who clicks on it, and leads to no other host.
    external: [...document.querySelectorAll('[src], [href]')]
      .filter(element => !element.matches('a[href]') || new URL(element.href).protocol !== 'file:')
      .map(element => element.getAttribute('src') || element.getAttribute('href'))
      .filter(target => target && !target.startsWith('data:') && !target.startsWith('#')),
  };
})()
"""


def main():
    program, axe, out, *pages = sys.argv[1:]
    axe = axe_source(axe)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    check = Checks()
    chromium = Chromium(program)
    try:
        chromium.open_tab()
        for page in map(pathlib.Path, pages):
            papers = {}
            for view in VIEWS:
                for scheme in SCHEMES:
                    name = f"{page.parent.name}-{page.stem}-{view[0]}-{scheme}"
                    chromium.open(page, view, scheme)
                    seen = chromium.value(LOOK)
                    written, requested = chromium.written()
                    papers[scheme] = seen["paper"]
                    check(f"{name}: figures are drawn", 1 <= seen["figures"] == seen["drawn"], seen)
                    check(f"{name}: images are there", 1 <= seen["images"] == seen["loaded"], seen)
                    check(f"{name}: the console is silent", not written, written)
                    check(f"{name}: nothing is fetched", not requested and not seen["external"], (requested, seen["external"]))
                    check(f"{name}: no script came in", seen["scripts"] == 0, seen["scripts"])
                    check(f"{name}: nothing overflows", seen["overflow"] <= 0 and not seen["wide"], seen)
                    check(f"{name}: words stay in their figure", not seen["cut"], seen["cut"])
                    check(f"{name}: no words run into each other", not seen["collisions"], seen["collisions"])
                    check(f"{name}: lines of a graph stay in their figure", not seen["strayed"], seen["strayed"])
                    check(f"{name}: words of figures can be read", seen["smallest"] >= 5.5, seen["smallest"])
                    if axe:
                        findings = chromium.findings(axe)
                        check(f"{name}: axe-core finds nothing serious", not findings, findings)
                    chromium.screenshot(out / f"{name}.png", whole=False)
                    chromium.screenshot(out / f"{name}-whole.png", whole=True)
            check(f"{page}: light and dark differ", papers["light"] != papers["dark"], papers)
            size = page.stat().st_size
            compared = re.match(r"(\d+) runs compared", seen["title"])
            runs = int(compared[1]) if compared else 1
            check(f"{page}: under 700 KB a run", size < 700_000 * runs, size)
            counts = f"{seen['figures']} figures, {seen['images']} images, {seen['lines']} connections"
            print(f"{page}: \"{seen['title']}\", {counts}, {size} bytes")
    finally:
        chromium.close()
    check.end("report")


main()
