"""Code examples of docstrings, which plain text marks by `::`, as Markdown."""

import re
import textwrap

from griffe import Extension, Object

# A line that ends in `::`, blank lines, and a block that is indented further than the line was.
_BLOCK = re.compile(r"^(?P<lead>(?P<margin> *)\S.*?|)::\n\n(?P<code>(?:(?P=margin) {4}.*\n?|[ ]*\n)+)", re.MULTILINE)


def fenced(text: str) -> str:
    """Text with its literal blocks fenced: as Python where they look like it."""

    def fence(match: re.Match[str]) -> str:
        code = textwrap.dedent(match["code"]).strip("\n")
        language = "python" if re.search(r"^(class|def|import|from|result) ", code, re.MULTILINE) else "text"
        lead = f"{match['lead']}:\n\n" if match["lead"].strip() else ""
        body = textwrap.indent(f"```{language}\n{code}\n```", match["margin"] or "")
        return f"{lead}{body}\n\n"

    return _BLOCK.sub(fence, text)


class Literal(Extension):
    """Rewrites the docstring of every object that is read."""

    def on_object(self, *, obj: Object, **kwargs: object) -> None:
        """Fence the object's examples."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
