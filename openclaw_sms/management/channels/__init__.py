"""The subcommands of `manage.py channels`: a module each, with `register(subparsers)`."""
