"""Links of the pages as the site needs them. In the files, each goes to something that a clone has."""

import re

PAGES = {
    "../vgbench/cli/__init__.py": "cli.md",
    "../registry.yaml": "registry.md",
    "../vgbench/python_api/single.py": "python.md",
    "tutorial.ipynb": "tutorial.md",
    "../vgbench/api/environment.py": "kinds/environment.md",
    "../vgbench/api/objective.py": "kinds/objective.md",
    "../vgbench/api/distance.py": "kinds/distance.md",
    "../vgbench/api/network.py": "kinds/network.md",
    "../vgbench/api/planner.py": "kinds/planner.md",
    "../vgbench/api/hooks.py": "kinds/logger.md",
    "../vgbench/api/params.py": "kinds/parameters.md",
}
"""What a page that is only in the site is made from, as a page in `docs/` names it, and that page."""
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def for_site(markdown: str, source: str) -> str:
    """Return the text of the page `source` with links to generated pages where the site has those.

    What else lies outside of the site (records under `results/`) becomes text: in tables without its path.
    """
    depth = source.count("/")
    generated = source in PAGES.values()

    def link(match: re.Match[str]) -> str:
        target, text = match["target"], match["text"]
        if not generated and target in PAGES:
            return f"[{text}]({PAGES[target]}{match['anchor'] or ''})"
        if target.count("../") <= depth:
            return match[0]
        name = f"`{target.replace('../', '')}`"
        before = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
        return text if before.startswith("|") else name if text.strip("`") == name.strip("`") else f"{text} ({name})"

    return _LINK.sub(link, markdown)
