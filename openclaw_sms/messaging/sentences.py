"""The sentences the gateway itself texts. Each is a file in templates/sms/, GSM-7 and one segment long."""

from django.template.loader import render_to_string


def say(name: str, **values: str) -> str:
    """The sentence in templates/sms/`name`.txt with `values` filled in, as plain text."""
    return render_to_string(f"sms/{name}.txt", values).strip()
