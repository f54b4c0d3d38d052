"""Drives the sandbox with the platform's own client, as its documentation says.

Usage: upload.py HOST SECRET SITE LARGE SMALL; prints one line "MEDIA FILE" for each upload.
"""

import http.client
import sys
import time
import urllib.parse

from jwplatform.client import JWPlatformClient
from jwplatform.errors import ForbiddenError, NotFoundError

PART = 5 * 1024 * 1024


def begin(file, external_id):
    metadata = {
        "title": "Tést & co",
        "external_id": external_id,
        "tags": ["a", "b"],
        "custom_params": {"by": "sdk"},
    }
    return client.Media.create_media_and_get_upload_context(
        file, body={"metadata": metadata}, site_id=site
    )


def listed(external_id):
    """The one media of that external id, once the search finds it."""
    for _ in range(100):
        found = client.Media.list(
            site_id=site, query_params={"q": f'external_id:"{external_id}"'}
        ).json_body
        exact = [m for m in found["media"] if m["external_id"] == external_id]
        if exact:
            assert len(exact) == 1, found
            return exact[0]
        time.sleep(0.1)
    raise SystemExit(f"{external_id} is not listed")


def ready(media):
    for _ in range(200):
        now = client.Media.get(site_id=site, media_id=media).json_body
        if now["status"] == "ready":
            return now
        assert now["status"] in ("created", "processing"), now
        time.sleep(0.1)
    raise SystemExit(f"{media} does not become ready: {now}")


def check(external_id, path):
    media = listed(external_id)["id"]
    now = ready(media)
    assert now["metadata"]["title"] == "Tést & co", now
    assert now["metadata"]["custom_params"] == {"by": "sdk"}, now
    print(media, path)
    return media


host, secret, site, large, small = sys.argv[1:]
client = JWPlatformClient(secret=secret, host=host)

# In parts. Without a host of its own the client asks the real platform for the links.
with open(large, "rb") as file:
    context = begin(file, "sdk-parts")
    assert context.upload_method == "multipart", context.upload_method
    client.Media.upload(file, context, base_url=host)
check("sdk-parts", large)

# In parts, the first of which is there already.
with open(large, "rb") as file:
    context = begin(file, "sdk-resumed")
    parts = JWPlatformClient(secret=context.upload_token, host=host).request(
        "GET", f"/v2/uploads/{context.upload_id}/parts", query_params={"page_length": 1}
    )
    link = urllib.parse.urlsplit(parts.json_body["parts"][0]["upload_link"])
    put = http.client.HTTPSConnection(link.hostname)
    put.request("PUT", f"{link.path}?{link.query}", body=file.read(PART))
    assert put.getresponse().status == 200
    file.seek(0)
    client.Media.resume(file, context, base_url=host)
check("sdk-resumed", large)

# In one piece.
with open(small, "rb") as file:
    context = begin(file, "sdk-direct")
    assert context.upload_method == "direct", context.upload_method
    client.Media.upload(file, context, base_url=host)
media = check("sdk-direct", small)

changed = client.Media.update(
    site_id=site, media_id=media, body={"metadata": {"title": "New"}}
)
assert changed.json_body["metadata"]["title"] == "New", changed.json_body
try:
    JWPlatformClient(secret="wrong", host=host).Media.list(site_id=site)
    raise SystemExit("a wrong secret is taken")
except ForbiddenError:
    pass
try:
    client.Media.get(site_id=site, media_id="absent00")
    raise SystemExit("there is a media that there is not")
except NotFoundError:
    pass
