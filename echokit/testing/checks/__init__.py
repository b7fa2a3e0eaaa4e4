"""The checks: ``component`` holds those of every kind, the other modules those of one kind each.

A check is a function ``check_...`` of a `Subject`; it raises where it finds something, and its name is what is shown.
"""
