"""HTML pages and SVG charts for the desk: one template environment and one style sheet.

On a device, the pages of sites use its style sheet. Jinja2 and matplotlib are imported inside its
functions.
"""
