"""The checks: those of every component in ``component``, those of one kind in the module of that name.

A check is a function ``check_...`` of a `Subject` that raises an exception if it fails. Its name, without ``check_``,
is shown to users and may be used in `Case.expected`.
"""
