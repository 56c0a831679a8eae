"""Make a token with the key of the service, as the server of your site would, and use it."""

import json
import sys
import time
import urllib.request

import jwt  # PyJWT, which docservice needs, too


def main(base_url: str, key: str, person: str) -> None:
    token = jwt.encode({"sub": person, "exp": int(time.time()) + 3600}, key, algorithm="HS256")
    request = urllib.request.Request(f"{base_url}/api/auth/session/current/", b'{"active": false}', method="PUT")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        print(json.load(answer)["username"])


if __name__ == "__main__":
    main(*sys.argv[1:])
