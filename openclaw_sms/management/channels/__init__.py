"""The subcommands of `manage.py channels`, a module each.

A module has `register(subparsers)`: it adds its parser and says with `set_defaults(run=…)` what runs it. `run` gets
the command's stdout and the options, a dictionary.
"""
