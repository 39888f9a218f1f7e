"""Small web pages of the report: without anything from outside, legible in light and dark, for screen readers too."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 1.5em; max-width: {width}; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25em .8em; text-align: left; border-bottom: 1px solid #8886; }}
th {{ border-bottom: 2px solid #888; }}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>
"""


def page(title, body, width="none"):
    """The HTML of a page; ``body`` is HTML, ``title`` text without markup."""
    return PAGE.format(title=title, body=body, width=width)
