"""The relays that are compared. Each is started afresh for a run and told of its calls.

start() -> set_up(): where the media of each call's parties go, as lines of relay_traffic -> (media) -> finish() ->
stop().
"""
import json
import os
import pathlib
import subprocess

import machine
import recorders
from recorders import BUILD, HOST, MEDIA_FROM, PARTIES, PORTS, RtpEngine, offer_of, port_of


class Relay:
    """What both have beside recorders.Recorder."""

    forks = True

    def cpu_ns(self):
        return machine.process_cpu_ns(self.process.pid)

    def make_urgent(self):
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))


class Direct(Relay, recorders.Recorder):
    """No relay: each party's media goes to the other's phone. What the path itself takes."""

    SERVER = ("127.0.0.3", 62000)
    forks = False

    def start(self, _):
        pass

    def set_up(self, calls):
        def phone(call, party):
            return f"{MEDIA_FROM[0]}:{MEDIA_FROM[1] + slot_offset(call, party)}"
        return [f"{call} {phone(call, 1)} {phone(call, 0)}" for call in range(calls)]

    def cpu_ns(self):
        return 0

    def make_urgent(self):
        pass


class Ours(Relay, recorders.Recorder):
    """bench/relay_host.cpp: BuiltInRelay with one worker, driven through MediaPlane."""

    engine = "io_uring"

    def start(self, calls):
        name = self.engine if self.forks else self.engine + "-alone"
        with open(self.directory / "log", "w") as log:
            self.process = subprocess.Popen(
                [BUILD / "bench/relay_host", name, HOST, str(PORTS[0]), str(PORTS[1]), str(calls),
                 f"{MEDIA_FROM[0]}:{MEDIA_FROM[1]}", f"{Direct.SERVER[0]}:{Direct.SERVER[1]}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                preexec_fn=machine.pin(machine.RECORDER_CPU))

    def set_up(self, calls):
        targets = [self.process.stdout.readline().rstrip() for _ in range(calls)]
        if not targets[-1]:
            raise RuntimeError(f"the relay ended: {(self.directory / 'log').read_text()[-500:]}")
        return targets

    def finish(self):
        self.process.stdin.close()
        return json.loads(self.process.stdout.readline())


class OursSockets(Ours):
    engine = "sockets"


class OursAlone(Ours):
    forks = False


class RtpEngineForking(Relay, RtpEngine):
    """RTPEngine in user space; another party has subscribed to both media of each call."""

    def place(self, index):
        call = {"call_id": f"client-{index}", "from_tag": "a"}
        offer = self.ask(command="offer", sdp=offer_of(index, 0), ICE="remove", **call)
        answer = self.ask(command="answer", sdp=offer_of(index, 1), to_tag="b", ICE="remove", **call)
        if self.forks:
            self.subscribe(index)
        return f"{index} {HOST}:{port_of(answer)} {HOST}:{port_of(offer)}"

    def subscribe(self, index):
        call_id = f"client-{index}"
        asked = self.ask(command="subscribe request", call_id=call_id, flags=["all"])
        media = "".join(
            f"m=audio {Direct.SERVER[1] + slot_offset(index, party)} RTP/AVP 0\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=recvonly\r\n" for party in range(PARTIES))
        sdp = (f"v=0\r\no=- {index} 1 IN IP4 {Direct.SERVER[0]}\r\ns=-\r\nc=IN IP4 {Direct.SERVER[0]}\r\nt=0 0\r\n"
               + media)
        self.ask(command="subscribe answer", call_id=call_id, to_tag=asked[b"to-tag"].decode(), sdp=sdp)

    def finish(self):
        return None


class RtpEngineAlone(RtpEngineForking):
    forks = False


def slot_offset(call, party):
    return 2 * (PARTIES * (call % recorders.SLOTS) + party)


# Ours runs twice: what differs between the two is the noise.
RELAYS = {"direct": Direct, "ours": Ours, "ours_again": Ours, "ours_sockets": OursSockets, "ours_alone": OursAlone,
          "rtpengine": RtpEngineForking, "rtpengine_alone": RtpEngineAlone}
