"""The workstation: watched folders, the history of all results, and the local page.

Nothing here is imported by the commands that classify and verify. Watching and the history need
only the base install; the page needs the extra ``station``.
"""
