"""All that knows the word Twilio: signatures, webhook forms, the REST client and what its errors mean.

Values in, values out. This package holds no models and no settings, decides nothing about access or retries,
and is importable without Django.
"""
