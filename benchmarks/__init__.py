"""How fast the library is, against the limit and against what a user would pick instead; see docs/speed.md.

Reference code lives here, beside the library and no part of it.
"""
