"""What messages (MSRP) cost the recording server: bench/message_rate.py [FILE_MIB] [MESSAGES] [SESSIONS] [DATA_DIRECTORY].

Sends files of FILE_MIB (100) to a fresh server, first one, then SESSIONS (4) of them side by side, and then MESSAGES (20000) short ones
in a chat; each asks for a receipt, which leaves when the disk has it. Prints as JSON: the rates from the first octet to the last receipt,
the CPU time of the server's threads for them, which says more than the rates where others use the machine, and by how much the server's
memory grew at its peak. DATA_DIRECTORY says on which disk: /dev/shm shows what the program can do without one.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EARSHOT = pathlib.Path(os.environ.get("EARSHOT", ROOT / "build/release/earshot"))
FILE_MIB = int(sys.argv[1]) if len(sys.argv) > 1 else 100
MESSAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
SESSIONS = int(sys.argv[3]) if len(sys.argv) > 3 else 4
DIRECTORY = sys.argv[4] if len(sys.argv) > 4 else None
CHUNK = int(os.environ.get("EARSHOT_BENCH_CHUNK", 2 << 20))
IN_FLIGHT = 200  # messages without their receipt


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    def __init__(self, directory):
        self.sip = free_port()
        self.msrp = free_port(socket.SOCK_STREAM)
        self.log = open(directory / "log", "w")
        self.process = subprocess.Popen(
            [EARSHOT, "server", "--data", directory / "data", "--sip", f"127.0.0.1:{self.sip}",
             "--http", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}", "--media-ports", "21000-21099"],
            env=dict(os.environ, EARSHOT_MSRP_LISTEN=f"127.0.0.1:{self.msrp}"), stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if line.startswith("page: "):
                return
        raise RuntimeError("the server did not start: " + open(self.log.name).read())

    def threads(self):
        spent = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                spent[name] = spent.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1e9
            except OSError:
                continue
        return spent

    def memory_mib(self, field):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+)", status).group(1)) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Call:
    """A recording session with one m=message line, and its connection."""
    number = 0

    def __init__(self, server, attributes=""):
        Call.number += 1
        self.server = server
        self.id = f"bench-{Call.number}"
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.connect(("127.0.0.1", server.sip))
        self.sip.settimeout(10)
        self.port = self.sip.getsockname()[1]
        sdp = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9999 TCP/MSRP *\r\n"
               "a=path:msrp://127.0.0.1:9999/bench;tcp\r\na=setup:active\r\na=accept-types:*\r\n" + attributes +
               "a=sendonly\r\na=label:1\r\n")
        self.request("INVITE", 1, sdp)
        answer = ""
        while not answer.startswith("SIP/2.0 2"):
            answer = self.sip.recv(65536).decode()
            if answer[8] > "2":
                raise RuntimeError(answer)
        self.to = re.search(r"^To: (.*)\r$", answer, re.M).group(1)
        self.request("ACK", 1)
        self.path = re.search(r"a=path:(\S+)", answer).group(1)
        self.stream = socket.create_connection(("127.0.0.1", server.msrp))

    def request(self, method, cseq, sdp=""):
        to = getattr(self, "to", "<sip:rec@127.0.0.1>")
        kind = "Content-Type: application/sdp\r\n" if sdp else ""
        self.sip.send((f"{method} sip:rec@127.0.0.1:{self.server.sip} SIP/2.0\r\n"
                       f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{self.id}{method}\r\nMax-Forwards: 70\r\n"
                       f"From: <sip:bench@127.0.0.1>;tag=b\r\nTo: {to}\r\nCall-ID: {self.id}\r\nCSeq: {cseq} {method}\r\n"
                       f"Contact: <sip:bench@127.0.0.1:{self.port}>;+sip.src\r\nRequire: siprec\r\n{kind}"
                       f"Content-Length: {len(sdp)}\r\n\r\n{sdp}").encode())

    def chunk(self, transaction, message, content, byte_range, flag, failure="no"):
        head = (f"MSRP {transaction} SEND\r\nTo-Path: {self.path}\r\nFrom-Path: msrp://127.0.0.1:9999/bench;tcp\r\n"
                f"Message-ID: {message}\r\nByte-Range: {byte_range}\r\nSuccess-Report: yes\r\nFailure-Report: {failure}\r\n"
                "Content-Type: text/plain\r\n\r\n").encode()
        return head + content + f"\r\n-------{transaction}{flag}\r\n".encode()

    def wait_for_receipts(self, count, on_receipt=lambda: None):
        seen, rest = 0, b""
        while seen < count:
            more = self.stream.recv(1 << 16)
            if not more:
                raise RuntimeError("the server closed the connection")
            rest += more
            found = rest.count(b"Status: 000 200")
            if b" 413 " in rest or b" 481 " in rest:
                raise RuntimeError(rest)
            for _ in range(found):
                on_receipt()
            seen += found
            rest = rest[rest.rfind(b"Status: 000 200") + 15:] if found else rest[-64:]

    def send_file(self, content):
        total = len(content)
        for at in range(0, total, CHUNK):
            end = min(total, at + CHUNK)
            self.stream.sendall(self.chunk(f"bench{at:012d}", "file0001", content[at:end], f"{at + 1}-*/{total}",
                                           "$" if end == total else "+"))
        self.wait_for_receipts(1)

    def send_messages(self, count):
        content = b"x" * 120
        gate = threading.Semaphore(IN_FLIGHT)
        reader = threading.Thread(target=self.wait_for_receipts, args=(count, gate.release))
        reader.start()
        for i in range(count):
            gate.acquire()
            self.stream.sendall(self.chunk(f"tid{i:09d}", f"msg{i:09d}", content, f"1-{len(content)}/{len(content)}", "$"))
        reader.join()

    def hang_up(self):
        self.request("BYE", 2)


def measured(server, work):
    pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # the peak counts from here
    memory = server.memory_mib("VmRSS")
    before = server.threads()
    begin = time.monotonic()
    work()
    seconds = time.monotonic() - begin
    after = server.threads()
    threads = {name: round(spent - before.get(name, 0), 3) for name, spent in after.items() if spent - before.get(name, 0) > 0.002}
    return seconds, {"seconds": round(seconds, 3), "cpu_s": threads, "cpu_s_all": round(sum(threads.values()), 3),
                     "memory_grew_mib": round(server.memory_mib("VmHWM") - memory, 1)}


def main():
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as name:
        server = Server(pathlib.Path(name))
        content = os.urandom(1 << 20) * FILE_MIB
        selector = f"a=file-selector:name:\"f\" type:text/plain size:{len(content)}\r\na=file-transfer-id:x\r\n"
        result = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "file_mib": FILE_MIB, "chunk": CHUNK}
        try:
            Call(server).send_messages(2000)  # warm
            one = Call(server, selector)
            seconds, result["file"] = measured(server, lambda: one.send_file(content))
            result["file"]["mb_per_s"] = round(len(content) / 1e6 / seconds, 1)
            several = [Call(server, selector) for _ in range(SESSIONS)]

            def side_by_side():
                senders = [threading.Thread(target=call.send_file, args=(content,)) for call in several]
                for sender in senders:
                    sender.start()
                for sender in senders:
                    sender.join()
            if SESSIONS:
                seconds, result["files"] = measured(server, side_by_side)
                result["files"]["mb_per_s"] = round(SESSIONS * len(content) / 1e6 / seconds, 1)
            chat = Call(server)
            seconds, result["chat"] = measured(server, lambda: chat.send_messages(MESSAGES))
            result["chat"]["messages_per_s"] = round(MESSAGES / seconds)
            for call in [one, chat, *several]:
                call.hang_up()
        finally:
            server.stop()
        print(json.dumps(result, indent=1))


main()
