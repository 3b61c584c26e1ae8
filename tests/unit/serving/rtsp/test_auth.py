from __future__ import annotations

import re
from dataclasses import replace

import pytest

from streamer.serving.rtsp.auth import NONCE_S, Credentials, DigestGuard, Verdict, digest_response
from streamer.serving.rtsp.messages import Request

ME = Credentials("me", "s3cret: pass")
URI = "rtsp://h/masked"
PATH = "/" + URI.split("/", 3)[3]


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def nonce_of(challenge: str) -> str:
    match = re.search('nonce="([0-9a-f]+)"', challenge)
    assert match
    return match[1]


def request(guard: DigestGuard, algorithm: str = "SHA-256", **changes: str) -> Request:
    """An answer to a challenge of *guard*; *changes* replace what it says."""
    given = {
        "username": "me",
        "realm": "streamer",
        "nonce": nonce_of(guard.challenges("10.0.0.1")[0]),
        "uri": URI,
        "algorithm": algorithm,
    }
    if algorithm == "SHA-256":
        given |= {"qop": "auth", "nc": "00000001", "cnonce": "abc"}
    given |= {name: text for name, text in changes.items() if name not in ("password", "response")}
    secret = Credentials(given["username"], changes.get("password", ME.password))
    given["response"] = changes.get(
        "response", digest_response(secret, "DESCRIBE", algorithm, given)
    )
    value = "Digest " + ", ".join(f'{name}="{text}"' for name, text in given.items())
    return Request("DESCRIBE", URI, {"authorization": value})


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_comes_out(algorithm, response):
    given = {
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    known = Credentials("Mufasa", "Circle of Life")
    assert digest_response(known, "GET", algorithm, given) == response


def test_the_example_of_rfc_2069_comes_out():
    given = {
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
    }
    known = Credentials("Mufasa", "CircleOfLife")
    assert digest_response(known, "GET", "MD5", given) == "1949323746fe6a43ef61f9606e7febea"


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_is_let_in(algorithm):
    guard = DigestGuard(ME)
    assert guard.check(request(guard, algorithm), "10.0.0.1", None) is Verdict.GRANTED


def test_the_challenge_offers_sha_256_before_md5_and_never_basic():
    sha, md5 = DigestGuard(ME).challenges("10.0.0.1")
    assert "algorithm=SHA-256" in sha
    assert 'qop="auth"' in sha
    assert "algorithm=MD5" in md5
    assert "stale" not in sha + md5
    assert "Basic" not in sha + md5


@pytest.mark.parametrize(
    ("uri", "asked", "verdict"),
    [
        (URI, URI + "/trackID=0", Verdict.GRANTED),
        (URI + "/", URI + "/trackID=0", Verdict.GRANTED),
        (URI + "?a=b", URI, Verdict.GRANTED),
        (URI + "/trackID=0", URI, Verdict.DENIED),
        (URI, URI + "2", Verdict.DENIED),
        (PATH, URI, Verdict.GRANTED),
        (PATH + "/", URI + "/trackID=0", Verdict.GRANTED),
        (PATH + "?a=b", URI + "?c=d", Verdict.GRANTED),
        ("rtsp://public.example:8554" + PATH, URI, Verdict.GRANTED),
        ("RTSPS://public.example:322" + PATH, URI + "/trackID=1", Verdict.GRANTED),
        ("rtsp://me@public.example" + PATH, URI, Verdict.GRANTED),
        (PATH, PATH, Verdict.GRANTED),
        (PATH[:-1], URI, Verdict.DENIED),
        ("/other", URI, Verdict.DENIED),
        ("rtsp://h/other?x=" + PATH, URI, Verdict.DENIED),
        ("http://h" + PATH, URI, Verdict.DENIED),
        ("", URI, Verdict.DENIED),
        ("*", URI, Verdict.DENIED),
    ],
)
def test_an_answer_for_a_stream_is_one_for_its_tracks_whatever_its_host(uri, asked, verdict):
    guard = DigestGuard(ME)
    answer = request(guard, uri=uri)
    assert guard.check(replace(answer, uri=asked), "10.0.0.1", None) is verdict


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"username": "you"},
        {"uri": "rtsp://h/other"},
        {"realm": "elsewhere"},
        {"qop": "auth-int"},
        {"nonce": "00" * 24},
        {"nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"},
        {"nonce": "é"},
        {"response": ""},
        {"response": "é"},
    ],
)
def test_whatever_is_wrong_is_denied(changes):
    guard = DigestGuard(ME)
    assert guard.check(request(guard, **changes), "10.0.0.1", None) is Verdict.DENIED


@pytest.mark.parametrize(
    "value", ["", "Basic bWU6czNjcmV0", "Digest", "Digest ,,,", 'Digest response="', "Digest a=b"]
)
def test_other_headers_are_denied(value):
    asked = Request("DESCRIBE", URI, {"authorization": value})
    assert DigestGuard(ME).check(asked, "10.0.0.1", None) is Verdict.DENIED


def test_a_nonce_is_good_for_one_address_and_one_server_only():
    guard = DigestGuard(ME)
    assert guard.check(request(guard), "10.0.0.2", None) is Verdict.DENIED
    assert DigestGuard(ME).check(request(guard), "10.0.0.1", None) is Verdict.DENIED


def test_an_old_nonce_is_stale_except_on_the_connection_that_used_it():
    clock = Clock()
    guard = DigestGuard(ME, clock)
    asked = request(guard)
    wrong = request(guard, password="wrong")
    clock.seconds += NONCE_S + 1
    assert guard.check(asked, "10.0.0.1", None) is Verdict.STALE
    assert guard.check(wrong, "10.0.0.1", None) is Verdict.DENIED
    known = nonce_of(asked.headers["authorization"])
    assert guard.check(asked, "10.0.0.1", known) is Verdict.GRANTED
    assert all("stale=true" in value for value in guard.challenges("10.0.0.1", stale=True))


def test_the_password_is_in_no_text():
    assert "s3cret" not in repr(ME) + str(ME) + repr(DigestGuard(ME))
