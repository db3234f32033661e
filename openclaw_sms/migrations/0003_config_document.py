from django.db import migrations, models


def undeclare_implicit_accounts(apps, schema_editor):
    """The rows of these two were made for accounts of the environment and of the sandbox."""
    rows = apps.get_model("openclaw_sms", "SmsAccount").objects
    rows.filter(account_id__in=["default", "sandbox"]).update(declared=False)


class Migration(migrations.Migration):

    dependencies = [
        ('openclaw_sms', '0002_settings_at_two_levels'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecretProvider',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('settings', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='smsaccount',
            name='declared',
            field=models.BooleanField(default=True, editable=False, help_text="False: the row only holds conversations, of an account that the environment or the channel's own settings make, or of one that was removed."),
        ),
        migrations.RunPython(undeclare_implicit_accounts, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='allowedsender',
            name='source',
            field=models.CharField(choices=[('pairing', 'pairing'), ('console', 'console')], max_length=16),
        ),
    ]
