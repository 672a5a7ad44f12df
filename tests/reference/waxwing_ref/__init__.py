"""A second implementation of the Waxwing protocol, written from docs/spec/ alone.

It exists to check the pages: what it needs and they do not say is a fault of the pages. It keeps
nothing on disk, takes no care of side channels, and must never hold anybody's real keys.
"""
