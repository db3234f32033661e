"""Who must not be texted any more."""


def is_out(account_pk: int, number: str) -> bool:
    """Whether `number` (E.164) has opted out of the account's texts."""
    return False
