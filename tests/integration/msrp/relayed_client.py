"""A recording client behind an MSRP relay (RFC 4976): relayed_client.py SIP_PORT RELAY_PORT.

Opens a session at the relay by AUTH with digest, offers a recording server the path through it, and sends it a chat message, a file in
chunks and a message that it gives up; each goes to the relay, which goes on to the server. What the server answers and reports comes back
the same way. Ends with 0 when all of it did, else says what did not.
"""
import hashlib
import re
import socket
import sys

SIP, RELAY = int(sys.argv[1]), int(sys.argv[2])
USER, PASSWORD, REALM = "src", "xyz123", "relay.example"


def fail(what):
    sys.exit(f"relayed_client: {what}")


class Stream:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", RELAY))
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]
        self.rest = b""
        self.number = 0

    def request(self, method, to, headers="", content=None, flag="$"):
        self.number += 1
        transaction = f"relayed{self.number:04d}"
        body = b"" if content is None else b"\r\n" + content + b"\r\n"
        self.socket.sendall(f"MSRP {transaction} {method}\r\nTo-Path: {to}\r\nFrom-Path: {self.own()}\r\n{headers}".encode() + body +
                            f"-------{transaction}{flag}\r\n".encode())
        return transaction

    def own(self):
        return f"msrp://127.0.0.1:{self.port}/client;tcp"

    def receive(self):
        while True:
            whole = re.match(rb"\s*(MSRP (\S+) .*?\r\n-------\2[$+#]\r\n)", self.rest, re.S)
            if whole:
                self.rest = self.rest[whole.end():]
                return whole.group(1).decode()
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                fail(f"nothing came; what there is: {self.rest!r}")
            if not more:
                fail("the relay closed the connection")
            self.rest += more

    def answer(self, transaction, status):
        got = self.receive()
        if not got.startswith(f"MSRP {transaction} {status}"):
            fail(f"{status} to {transaction} was expected, not:\n{got}")
        return got


def field(message, name):
    found = re.search(rf"^{name}: *(.*?)\r$", message, re.M)
    return found.group(1) if found else fail(f"no {name} in:\n{message}")


def digest(challenge, method, uri):
    told = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    md5 = lambda *parts: hashlib.md5(":".join(parts).encode()).hexdigest()
    secret, what = md5(USER, told["realm"], PASSWORD), md5(method, uri)
    text = f'Digest username="{USER}", realm="{told["realm"]}", nonce="{told["nonce"]}", uri="{uri}"'
    if "qop" in told:
        return text + f', qop=auth, nc=00000001, cnonce="0a4f", response="{md5(secret, told["nonce"], "00000001", "0a4f", "auth", what)}"'
    return text + f', response="{md5(secret, told["nonce"], what)}"'


def sip_call(path):
    sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sip.connect(("127.0.0.1", SIP))
    sip.settimeout(10)
    port = sip.getsockname()[1]
    at = re.search(r":(\d+)/", path).group(1)
    sdp = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
           f"m=message {at} TCP/MSRP *\r\na=path:{path}\r\na=setup:active\r\n"
           "a=accept-types:*\r\na=sendonly\r\na=label:1\r\n")

    def send(method, cseq, to="<sip:rec@127.0.0.1>", body=""):
        kind = "Content-Type: application/sdp\r\n" if body else ""
        sip.send((f"{method} sip:rec@127.0.0.1:{SIP} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKrelayed{method}\r\n"
                  f"Max-Forwards: 70\r\nFrom: <sip:src@127.0.0.1>;tag=r\r\nTo: {to}\r\nCall-ID: relayed\r\nCSeq: {cseq} {method}\r\n"
                  f"Contact: <sip:src@127.0.0.1:{port}>;+sip.src\r\nRequire: siprec\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
                  f"{body}").encode())
    send("INVITE", 1, body=sdp)
    answer = ""
    while not answer.startswith("SIP/2.0 2"):
        answer = sip.recv(65536).decode()
        if answer[8] > "2":
            fail("the server refused:\n" + answer)
    to = field(answer, "To")
    send("ACK", 1, to)
    return re.search(r"a=path:(\S+)", answer).group(1), lambda: (send("BYE", 2, to), sip.recv(65536))


stream = Stream()
relay_uri = f"msrp://127.0.0.1:{RELAY};tcp"
refused = stream.answer(stream.request("AUTH", relay_uri), "401")
authorization = digest(field(refused, "WWW-Authenticate"), "AUTH", relay_uri)
taken = stream.answer(stream.request("AUTH", relay_uri, f"Authorization: {authorization}\r\nExpires: 600\r\n"), "200")
use_path = field(taken, "Use-Path")
server, hang_up = sip_call(f"{use_path} {stream.own()}")
to = f"{use_path} {server}"

send = lambda message, content, extra="", flag="$": stream.request(
    "SEND", to, f"Message-ID: {message}\r\n{extra}Content-Type: text/plain\r\n", content, flag)
hello = b"Through the relay."
stream.answer(send("relayed-msg-1", hello, f"Byte-Range: 1-{len(hello)}/{len(hello)}\r\nSuccess-Report: yes\r\n"), "200")
report = stream.receive()
if " REPORT\r\n" not in report or field(report, "Message-ID") != "relayed-msg-1" or not field(report, "Status").startswith("000 200"):
    fail("the receipt was expected, not:\n" + report)
if field(report, "From-Path").split()[-1] != server:
    fail("the receipt is not the server's:\n" + report)

chunks = [bytes([65 + i]) * 3000 for i in range(20)]
for i, chunk in enumerate(chunks):
    stream.answer(send("relayed-msg-2", chunk, f"Byte-Range: {i * 3000 + 1}-*/60000\r\nSuccess-Report: yes\r\n",
                       "$" if i == 19 else "+"), "200")
if field(stream.receive(), "Message-ID") != "relayed-msg-2":
    fail("no receipt of the message in chunks")
stream.answer(send("relayed-msg-3", b"given up", "Byte-Range: 1-*/*\r\n", "#"), "200")
# The relay's 200 says nothing of the server: the receipt of what follows does.
stream.answer(send("relayed-msg-4", b"last", "Success-Report: yes\r\n"), "200")
if field(stream.receive(), "Message-ID") != "relayed-msg-4":
    fail("no receipt of the last message")
hang_up()
