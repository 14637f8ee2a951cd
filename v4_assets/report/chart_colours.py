"""The colours of the charts, and a chart as an element of the rollout page, which may choose its own. Pure."""

import re
from hashlib import sha256
from html import escape

COLOURS = ("#3b6fb6", "#c2571f", "#3d8750", "#8a5fae")
"""Colours of the versions in order of their names; distinguishable with colour blindness."""
INK, QUIET, GRID = "#333333", "#595959", "#d9d9d9"
ROLES = {
    **{colour: f"version-{number}" for number, colour in enumerate(COLOURS)},
    INK: "ink",
    QUIET: "quiet",
    GRID: "grid",
}
"""Colour to the custom property by which a page may say otherwise: `--version-0`."""


def for_page(svg: str, alt: str) -> str:
    """The drawing as an element of an HTML page: nothing of the file around it, ids of its own, the page's colours."""
    own = f"c{sha256(alt.encode()).hexdigest()[:8]}-"
    unwanted = r"(?s)<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->"
    body = re.sub(unwanted, "", svg[svg.index("<svg") :]).replace(' id="', f' id="{own}')
    body = re.sub(r"(url\(#|xlink:href=\"#)", lambda found: found[1].replace("xlink:", "") + own, body)
    for colour, role in ROLES.items():
        body = body.replace(colour, f"var(--{role}, {colour})")
    size = re.search(r'viewBox="([^"]+)"', body)
    assert size is not None
    opening = f'<svg class="chart" role="img" viewBox="{size[1]}" aria-label="{escape(alt)}">'
    return opening + re.sub(r"^<svg[^>]*>", "", body)
