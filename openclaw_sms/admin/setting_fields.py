"""Form fields for settings: three answers to a yes-or-no question, lists one entry a line, secrets, references."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from openclaw_sms.config.secrets.reference import Source

UNSAID = "not set here"
SOURCES = (
    ("", "no reference: the token above, or not set here"),
    (Source.ENV.value, "env: a variable of the gateway's environment"),
    (Source.STORE.value, "store: a secret stored here"),
    (Source.FILE.value, "file: a file, by a provider of the configuration"),
    (Source.EXEC.value, "exec: a program, by a provider of the configuration"),
)


class ThreeAnswers(UnfoldAdminNullBooleanSelectWidget):  # type: ignore[misc]  # the theme has no types
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.choices = [("unknown", UNSAID), ("true", "yes"), ("false", "no")]


class Lines(forms.CharField):
    """A list of texts, one a line; commas part entries too. Nothing entered is None: not set here."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str] | None:  # type: ignore[override]
        if isinstance(value, list):
            return value
        words = str(value or "").replace(",", "\n").splitlines()
        return [word.strip() for word in words if word.strip()] or None

    def validate(self, value: Any) -> None:
        """Each entry is judged by the setting's rule."""

    def run_validators(self, value: Any) -> None:
        """As `validate`: those of a text do not fit a list."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.to_python(self.prepare_value(initial)) or []) != (self.to_python(data) or [])


def yes_or_no(label: str, hint: str = "") -> forms.NullBooleanField:
    return forms.NullBooleanField(label=label, required=False, help_text=hint, widget=ThreeAnswers())


def lines(label: str, hint: str) -> Lines:
    return Lines(
        label=label,
        required=False,
        help_text=hint,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
    )


def secret(label: str, hint: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=200,
        help_text=hint,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )


def removal(label: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget())


def reference_source() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Auth token by reference",
        required=False,
        choices=SOURCES,
        help_text="Instead of a token that is stored here: where the gateway finds it. It wins over a stored token.",
        widget=UnfoldAdminSelectWidget(),
    )


def reference_part(label: str, hint: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=1024,
        help_text=hint,
        widget=UnfoldAdminTextInputWidget(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
