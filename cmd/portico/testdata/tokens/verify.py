"""A product without libraries: reads {token, secret, audience} and prints the payload of a launch token, or false."""
import base64, hashlib, hmac, json, sys, time

given = json.load(sys.stdin)


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


header, payload, signature = given["token"].split(".")
expected = hmac.new(given["secret"].encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
genuine = json.loads(decoded(header))["alg"] == "HS256" and hmac.compare_digest(expected, decoded(signature))
claims = json.loads(decoded(payload))
print(json.dumps(claims if genuine and claims["aud"] == given["audience"] and time.time() < claims["exp"] else False))
