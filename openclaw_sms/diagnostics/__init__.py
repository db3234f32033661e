"""What is wrong, and what mends it: probes, status, doctor, metrics. It reads; it changes nothing but a webhook at
Twilio, when told to.
"""
