"""Who schemathesis is when it manages a registration (RFC 7592): a client that has just registered.

Each call has a client of its own, since replacing a registration changes its token and deleting it
ends it. Schemathesis loads this as SCHEMATHESIS_HOOKS.
"""

import json
import urllib.request

import schemathesis
from schemathesis.core.parameters import ParameterLocation

METADATA = {
    "client_name": "Notes",
    "redirect_uris": ["https://app.example/callback"],
}


def register(base):
    request = urllib.request.Request(
        f"{base}/oauth/register",
        data=json.dumps(METADATA).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def is_good(case, location):
    return case.meta is None or not case.meta.is_negative_at(location)


@schemathesis.auth(refresh_interval=None).apply_to(path="/oauth/register/{client_id}")
class OwnToken:
    def get(self, case, context):
        return register(case.operation.base_url)

    def set(self, case, client, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {client['registration_access_token']}"
        if is_good(case, ParameterLocation.PATH):
            case.path_parameters["client_id"] = client["client_id"]
        if is_good(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            # What a schema cannot say: both are the client's own.
            case.body["client_id"] = client["client_id"]
            if case.body.get("client_secret") is not None:
                case.body["client_secret"] = client["client_secret"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mends what a pattern cannot say, so that a body is judged by the rest of it."""
    if not isinstance(case.body, dict):
        return
    if isinstance(case.body.get("jwks"), dict):
        # They exclude each other.
        case.body.pop("jwks_uri", None)
    if is_good(case, ParameterLocation.BODY):
        case.body["redirect_uris"] = METADATA["redirect_uris"]
