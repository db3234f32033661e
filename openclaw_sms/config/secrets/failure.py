"""Why a secret cannot be had. The sentence names the reference and the reason, and holds no value."""

from openclaw_sms.config.secrets.reference import SecretRef


class SecretUnavailable(Exception):
    """`passing`: the source could not be asked; what it said before may still hold for a while.

    Otherwise the source has answered: there is no such secret, or it may not be used.
    """

    code = "secret_unavailable"

    def __init__(self, ref: SecretRef, why: str, *, passing: bool = False) -> None:
        super().__init__(f"{ref} {why}")
        self.ref = ref
        self.why = why
        self.passing = passing

    def again(self) -> "SecretUnavailable":
        """The same news, to be raised anew."""
        return SecretUnavailable(self.ref, self.why, passing=self.passing)
