"""Below /sandbox/, and only while the sandbox is on."""

from django.urls import path

from openclaw_sms.sandbox import account_api, phone, twilio_api

app_name = "sandbox"
ACCOUNT = "twilio/2010-04-01/Accounts/<str:account_sid>"

urlpatterns = [
    path("", phone.simulator, name="simulator"),
    path("messages", phone.messages, name="messages"),
    path(f"{ACCOUNT}.json", account_api.account),
    path(f"{ACCOUNT}/IncomingPhoneNumbers.json", account_api.numbers),
    path(f"{ACCOUNT}/IncomingPhoneNumbers/<str:sid>.json", account_api.number),
    path(f"{ACCOUNT}/Messages.json", twilio_api.messages),
    path("media/<str:key>", twilio_api.cdn, name="media"),
    path(f"{ACCOUNT}/Messages/<str:sid>/Media/<str:media_sid>", twilio_api.media),
    path(f"{ACCOUNT}/Messages/<str:sid>.json", twilio_api.message),
]
