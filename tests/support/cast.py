"""The people in the tests. Alice is paired, Bob waits, Mallory forges; the numbers are fictional."""

ALICE = "+15550001111"
BOB = "+15550002222"
MALLORY = "+15550006666"
OUR_NUMBER = "+15550009999"
ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "a token for tests"
PUBLIC_URL = "https://gateway.example.com/webhooks/sms"
WEBHOOK_PATH = "/webhooks/sms"
