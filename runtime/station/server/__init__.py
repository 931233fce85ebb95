"""The local page and the REST interface; needs the extra ``station``."""
