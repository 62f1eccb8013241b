"""The whole of a Django project: a page that can be served only after a migration."""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/data/db.sqlite3"}},
    DEBUG=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for a test",
)


def page(request):
    from django.contrib.auth.models import User

    return HttpResponse(f"users: {User.objects.count()}\n")


urlpatterns = [path("", page)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
