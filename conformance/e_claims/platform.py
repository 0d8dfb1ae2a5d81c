"""A server that sets and reads claims: platform.py set <email> <claims> | get <email>. Its environment: PORTAL_URL, CLIENT_ID, CLIENT_SECRET."""
import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ["PORTAL_URL"] + "/api/platform/claims"
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]


def call(request):
    try:
        with urllib.request.urlopen(request) as response:
            return {"status": response.status, "body": json.load(response)}
    except urllib.error.HTTPError as refused:
        return {"status": refused.code, "body": json.load(refused)}


def set_claims(email, claims):
    body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "email": email, "claims": claims}
    return call(urllib.request.Request(URL, json.dumps(body).encode(), {"Content-Type": "application/json"}))


def get_claims(email):
    credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    address = URL + "?" + urllib.parse.urlencode({"email": email})
    return call(urllib.request.Request(address, headers={"Authorization": "Basic " + credentials}))


action, email, *rest = sys.argv[1:]
print(json.dumps(set_claims(email, json.loads(rest[0])) if action == "set" else get_claims(email)))
