"""A pretend Twilio on one machine, with pretend phones to text from: the product can be tried without an account.

The product in the middle is the real one. A phone's text is a signed post to its real webhook, and its replies
are real calls to the API in `twilio_api`. The sandbox keeps its texts in a file of its own, serves this machine
only, and refuses to run where real Twilio credentials are set.
"""
