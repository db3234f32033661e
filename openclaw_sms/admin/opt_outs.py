"""Who has opted out: a list to look at, to export, and to correct; and what the owner was told."""

import csv

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from openclaw_sms.access import audit, opt_out
from openclaw_sms.admin import senders
from openclaw_sms.admin.components import ReadOnlyAdmin, RowForm, as_number, badge, may_decide, operator
from openclaw_sms.admin.senders import NotSaid
from openclaw_sms.models import Conversation, OptOut, OptOutSource, OwnerNotice


class OptOutForm(RowForm[OptOut]):
    """A number that asked in another way: by phone, by mail."""

    reason = forms.CharField(
        max_length=senders.LONGEST_REASON, help_text="Why, for the audit trail.", widget=UnfoldAdminTextInputWidget()
    )

    class Meta:
        model = OptOut
        fields = ("account", "number", "reason")

    def clean_number(self) -> str:
        return as_number(self.cleaned_data["number"])

    def clean(self) -> dict[str, object]:
        found = super().clean() or self.cleaned_data
        account, number = found.get("account"), found.get("number")
        if account and number and opt_out.is_out(account.pk, str(number)):
            raise forms.ValidationError({"number": "This number has already opted out."})
        return found

    def _get_validation_exclusions(self) -> set[str]:
        """The row may exist, of somebody who came back: not for the uniqueness of numbers. Who is out is refused."""
        return {*super()._get_validation_exclusions(), "number"}  # type: ignore[misc]


@admin.register(OptOut)
class OptOutAdmin(ReadOnlyAdmin[OptOut]):
    form = OptOutForm
    list_display = ("number", "account", "state", "changed_at", "source", "reason", "actor")
    list_filter = ("out", "account", "source", "changed_at")
    list_select_related = ("account",)
    search_fields = ("number", "sid")
    search_help_text = "A whole number, or the MessageSid of the text that said so"
    list_before_template = "admin/openclaw_sms/opt_out/export.html"
    change_form_outer_before_template = "admin/openclaw_sms/opt_out/bring_back.html"

    def get_fields(self, request: HttpRequest, obj: OptOut | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("account", "number", "reason")
        return ("number", "account", "state", "changed_at", "source", "sid", "reason", "actor", "talk")

    def get_readonly_fields(self, request: HttpRequest, obj: OptOut | None = None) -> tuple[str, ...]:
        return ("state", "talk") if obj is not None else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_decide(request, OptOut)

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(require_POST(self._export))
        back = self.admin_site.admin_view(require_POST(self._bring_back))
        routes: list[URLPattern] = [
            path("export/", export, name="openclaw_sms_optout_export"),
            path("<int:pk>/bring-back/", back, name="openclaw_sms_optout_bring-back"),
        ]
        return routes + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, object] = {**(extra_context or {})}
        if row is not None and self.has_view_permission(request, row):
            context["opt_out_history"] = senders.history(row.account_id, row.number)
            context["row_out"] = row if row.out and may_decide(request, OptOut) else None
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: OptOut, form: forms.Form, change: bool) -> None:
        """Through the same door as every other opt-out; `obj` becomes the row that this wrote."""
        opt_out.suppress(
            obj.account_id,
            obj.number,
            source=OptOutSource.OPERATOR,
            at=timezone.now(),
            actor=operator(request),
            reason=obj.reason,
        )
        obj.pk = OptOut.objects.get(account_id=obj.account_id, number=obj.number).pk

    def _bring_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not may_decide(request, OptOut):
            raise PermissionDenied
        row = get_object_or_404(OptOut, pk=pk)
        try:
            messages.success(request, senders.bring_back(request, row.account_id, row.number, timezone.now()))
        except NotSaid as refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:openclaw_sms_optout_change", args=[row.pk]))

    def _export(self, request: HttpRequest) -> HttpResponse:
        """Everybody who is out, for other systems to leave alone too."""
        if not may_decide(request, OptOut):
            raise PermissionDenied
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="opt-outs.csv"'
        table = list(opt_out.as_rows(opt_out.listed()))
        csv.writer(answer).writerows(table)
        audit.record("opt_out.exported", actor=operator(request), at=timezone.now(), rows=len(table) - 1)
        return answer

    @admin.display(description="state", ordering="out")
    def state(self, row: OptOut) -> SafeString:
        return badge("opted out", "bad") if row.out else badge("back", "good")

    @admin.display(description="conversation")
    def talk(self, row: OptOut) -> SafeString | str:
        found = Conversation.objects.filter(account_id=row.account_id, sender=row.number).first()
        if found is None:
            return "They never talked with this account."
        page = reverse("admin:openclaw_sms_conversation_change", args=[found.pk])
        return format_html('<a class="sms-link" href="{}">Open it</a>', page)


@admin.register(OwnerNotice)
class OwnerNoticeAdmin(ReadOnlyAdmin[OwnerNotice]):
    """What the owner was told, with or without a number to text it to."""

    list_display = ("at", "account", "sentence", "how")
    list_filter = ("account", "at")
    list_select_related = ("account",)
    fields = ("at", "account", "sentence", "how", "key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OwnerNotice]:
        return super().get_queryset(request).select_related("account")

    @admin.display(description="texted to")
    def how(self, row: OwnerNotice) -> str:
        if not row.texted:
            return "nobody: the account has no owner's number that could be texted"
        return f"{row.texted} of the owner's numbers"
