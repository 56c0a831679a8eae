"""Sign in at a Kolibri, work on an exercise, look at the progress, sign out. Nothing here knows of docservice."""

import http.cookiejar
import json
import sys
import urllib.request
from typing import Any

jar = http.cookiejar.CookieJar()
http_client = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))


def ask(method: str, url: str, body: object = None) -> Any:
    """Send what a browser would: the cookies, and the CSRF token of the cookie in a header."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    for cookie in jar:
        if cookie.name == "kolibri_csrftoken":
            request.add_header("X-CSRFToken", cookie.value or "")
    with http_client.open(request) as answer:
        return json.load(answer)


def main(base: str, facility: str, username: str, password: str) -> None:
    session = f"{base}/api/auth/session/"
    ask("PUT", f"{session}current/", {"active": False})
    who = ask("POST", session, {"facility": facility, "username": username, "password": password})
    print(f"signed in as {who['full_name']}")
    content = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "exercise"}
    mastery_model = {"type": "m_of_n", "m": 2, "n": 3}
    visit = ask("POST", f"{base}/api/logger/trackprogress/", {**content, "mastery_model": mastery_model})
    for question in ("q1", "q2"):
        answer = {"item": question, "correct": 1, "complete": True, "time_spent": 4, "answer": {"choice": "A"}}
        report = ask(
            "PUT", f"{base}/api/logger/trackprogress/{visit['session_id']}/", {"interactions": [answer], "progress": 1}
        )
    print(f"{len(report['attempts'])} answer in the last report, complete: {report['complete']}")
    ask("DELETE", f"{session}current/")
    print(f"then: {ask('PUT', f'{session}current/', {'active': False})['kind'][0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
