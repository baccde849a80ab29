"""Random requests signed by botocore, one JSON object per line, for sigv4_botocore.rs.

usage: sigv4_botocore.py COUNT [SEED]

The first line names the seed. Each further line holds the request as it would go over the wire
(header values and body in hexadecimal), what the verifier is to expect, and the time.
"""

import datetime
import json
import random
import sys
from urllib.parse import quote, urlsplit

import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SIGNERS = {
    ("standard", "header"): SigV4Auth,
    ("standard", "query"): SigV4QueryAuth,
    ("s3", "header"): S3SigV4Auth,
    ("s3", "query"): S3SigV4QueryAuth,
}
PATH_PIECES = [
    "a", "Z", "0", "-", "_", ".", "..", "~", "/", "//", "/./", "/../", "%20", "%2F", "%2f", "%25",
    "%C3%A9", "%c3%a9", "+", "!", "$", "&", "'", "(", ")", "*", ",", ";", "=", ":", "@", "%", "%zz",
    "é", "日", "😀", " ", '"', "<", "|", "^", "`", "{", "spaces", "domains",
]
QUERY_PIECES = [
    "a", "Z", "9", "-", "_", ".", "~", "%20", "+", "%2B", "%2f", "%3D", "=", "/", ":", "@", "!",
    "*", "'", "%C3%A9", "é", "?", "%", "Action", "ListUsers", "X-Amz-Meta",
]
TEXT = "abcXYZ019 -_.~/+=:@!*'(),;&?%\"<>[]{}|^`$#éß日😀"
VALUES = ["", "x", "a  b", "  lead", "trail  ", "a\tb", "a , b", '"q  q"', "é", "=?&", "a,b", "日 本"]
NAMES = [
    "x-amz-target", "X-Amz-Meta-Thing", "x-amz-acl", "Content-Type", "X-Custom", "Accept",
    "x-a", "x-a-b", "x-a1", "Range", "User-Agent", "X-Amzn-Trace-Id", "Expect",
]


def text(rng, alphabet, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most)))


def a_url(rng, style):
    scheme = rng.choice(["http", "https"])
    host = rng.choice(["example.amazonaws.com", "127.0.0.1", "localhost", "UPPER.Example", "[::1]"])
    port = rng.choice(["", "", ":80", ":443", ":4566"])
    # botocore would sign an empty path for S3 and send "/"; its S3 endpoints always have a path.
    path = rng.choice(["/" if style == "s3" else "", "/", "/" + text(rng, PATH_PIECES, 9), "/" + quote(text(rng, TEXT, 9))])
    pairs = []
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        pairs.append(text(rng, QUERY_PIECES, 4) + rng.choice(["=", "=", ""]) + text(rng, QUERY_PIECES, 5))
    query = "&".join(pairs)
    return f"{scheme}://{host}{port}{path}" + (f"?{query}" if query else "")


def a_request(rng):
    style = rng.choice(["standard", "standard", "s3"])
    form = rng.choice(["header", "header", "query"])
    service = "s3" if style == "s3" else rng.choice(["iam", "sts", "ec2", "sagemaker"])
    region = rng.choice(["us-east-1", "eu-west-2", "us-gov-west-1"])
    token = rng.choice([None, None, "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJGMEQ" + text(rng, "aZ/+=", 60)])
    secret = text(rng, "abcXYZ/+0123", 60) + "s"
    access_key = "AKIA" + text(rng, "ABC123", 20)
    now = datetime.datetime(2026, 11, 22, 15, 4, 5) + datetime.timedelta(seconds=rng.randrange(10**8))
    botocore.auth.get_current_datetime = lambda *args, **kwargs: now

    body = b""
    if form == "header" and rng.random() < 0.5:
        body = rng.randbytes(rng.choice([1, 63, 64, 300]))
    params = {}
    url = a_url(rng, style)
    if "?" not in url and rng.random() < 0.5:
        # With a query in the URL as well, botocore would send both and sign the parameters only.
        params = {text(rng, TEXT, 6) + "k": text(rng, TEXT, 9) for _ in range(rng.randrange(4))}
    request = AWSRequest(
        method=rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD"]), url=url, data=body, params=params
    )
    for _ in range(rng.choice([0, 1, 3, 6])):
        request.headers[rng.choice(NAMES)] = rng.choice(VALUES)
    if form == "header" and rng.random() < 0.2:
        request.headers["Date"] = "replaced by the signer"
    request.context["payload_signing_enabled"] = style == "s3" or form == "query" or rng.random() < 0.8
    if form == "header" and style == "s3" and rng.random() < 0.2:
        request.context["payload_signing_enabled"] = False

    credentials = Credentials(access_key, secret, token)
    signer = SIGNERS[style, form]
    if form == "query":
        expires = rng.choice([1, 60, 3600, 604800])
        signer(credentials, service, region, expires=expires).add_auth(request)
        skew = rng.choice([-900, 0, expires])
        if style == "s3":
            # Not covered by a presigned S3 request.
            body = rng.randbytes(5)
    else:
        signer(credentials, service, region).add_auth(request)
        skew = rng.choice([-900, 0, 900])

    url = request.url
    if form == "header" and params:
        # As AWSRequest.prepare appends them.
        url = request.prepare().url
    parts = urlsplit(url)
    headers = [[name.lower(), value.encode().hex()] for name, value in request.headers.items()]
    headers.append(["host", botocore.auth._host_from_url(url).encode().hex()])
    seconds = int(now.replace(tzinfo=datetime.timezone.utc).timestamp()) + skew
    return {
        "style": style,
        "form": form,
        "service": service,
        "region": region,
        "key": access_key,
        "secret": secret,
        "token": token,
        "now": seconds * 1000 + rng.randrange(1000) * (skew <= 0),
        "method": request.method,
        "path": parts.path or "/",
        "query": parts.query,
        "headers": headers,
        "body": body.hex(),
        "url": url,
    }


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    print(json.dumps({"seed": seed, "botocore": botocore.__version__}))
    for _ in range(count):
        print(json.dumps(a_request(rng)))


main()
