"""HTML pages and SVG charts for the desk: one template environment and one style sheet.

Nothing on a device imports this package. Jinja2 and matplotlib are imported inside its functions.
"""
