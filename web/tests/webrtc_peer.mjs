// node webrtc_peer.mjs SIP_PORT JSON: Debian's Chromium as the media side of a recording client. Its offer (microphone and
// camera) goes to the recording server as an INVITE over TCP, the server's answer becomes its remote description, and for
// some seconds it sends by ICE and DTLS-SRTP; then BYE. Prints {"call_id", "sent": {"audio", "video"}, "codecs", "transports"}.
//   policy      bundlePolicy of the RTCPeerConnection
//   codec       video/VP8, video/H264: preferred; where Chromium does not offer it, {"skipped": true} is printed
//   candidates  all: the offer has Chromium's candidates; none: it leaves before there are any; mdns: their addresses are
//               names under .local, as a page sees them that may not use the microphone
//   group       false: a=group is taken out of the offer, so that each line has a transport of its own
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';

import { chromium } from 'playwright-core';

const sip_port = Number(process.argv[2]);
const wanted = { policy: 'balanced', codec: 'video/VP8', candidates: 'all', group: true, seconds: 5, ...JSON.parse(process.argv[3] ?? '{}') };

// ---- SIP by hand: one dialog over one TCP connection

class SipClient {
    #socket;
    #text = '';
    #waiting = [];
    #to = '<sip:recorder@127.0.0.1>';
    #cseq = 0;
    call_id = randomUUID();

    async connect(port) {
        this.#socket = net.connect(port, '127.0.0.1');
        this.#socket.setEncoding('latin1');
        this.#socket.on('data', (chunk) => this.#receive(chunk));
        await new Promise((resolve, reject) => this.#socket.once('connect', resolve).once('error', reject));
    }
    close() {
        this.#socket.destroy();
    }
    send(method, headers = '', body = '') {
        if (method !== 'ACK') ++this.#cseq;
        const local = `127.0.0.1:${this.#socket.localPort}`;
        this.#socket.write(
            `${method} sip:recorder@127.0.0.1:${sip_port};transport=tcp SIP/2.0\r\n` +
                `Via: SIP/2.0/TCP ${local};branch=z9hG4bK${randomUUID()}\r\nMax-Forwards: 70\r\n` +
                `From: <sip:browser@127.0.0.1>;tag=b\r\nTo: ${this.#to}\r\nCall-ID: ${this.call_id}\r\n` +
                `CSeq: ${this.#cseq} ${method}\r\nContact: <sip:browser@${local};transport=tcp>;+sip.src\r\n` +
                `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
    }
    // The final response to the newest request.
    async response() {
        for (;;) {
            const message = await new Promise((resolve, reject) => {
                const timer = setTimeout(() => reject(new Error('no response from the server')), 20000);
                this.#waiting.push((one) => (clearTimeout(timer), resolve(one)));
                this.#deliver();
            });
            const status = Number(/^SIP\/2\.0 (\d+)/.exec(message.head)?.[1] ?? 0);
            const cseq = Number(/^CSeq: *(\d+)/im.exec(message.head)?.[1]);
            if (status < 200 || cseq !== this.#cseq) continue; // requests of the server's own are passed over
            this.#to = /^To: *(.*)$/im.exec(message.head)[1].trim();
            return { status, ...message };
        }
    }
    #messages = [];
    #receive(chunk) {
        this.#text += chunk;
        for (;;) {
            const end = this.#text.indexOf('\r\n\r\n');
            if (end < 0) break;
            const head = this.#text.slice(0, end);
            const size = Number(/^Content-Length: *(\d+)/im.exec(head)?.[1] ?? 0);
            if (this.#text.length < end + 4 + size) break;
            this.#messages.push({ head, body: this.#text.slice(end + 4, end + 4 + size) });
            this.#text = this.#text.slice(end + 4 + size);
        }
        this.#deliver();
    }
    #deliver() {
        while (this.#messages.length > 0 && this.#waiting.length > 0) this.#waiting.shift()(this.#messages.shift());
    }
}

const id = () => Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64');

function metadata() {
    const [session, person, audio, video] = [id(), id(), id(), id()];
    const now = new Date().toISOString();
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>' +
        `<session session_id="${session}"><start-time>${now}</start-time></session>` +
        `<participant participant_id="${person}"><nameID aor="sip:browser@example.com"><name>Browser</name></nameID></participant>` +
        `<stream stream_id="${audio}" session_id="${session}"><label>1</label></stream>` +
        `<stream stream_id="${video}" session_id="${session}"><label>2</label></stream>` +
        `<participantsessionassoc participant_id="${person}" session_id="${session}"><associate-time>${now}</associate-time></participantsessionassoc>` +
        `<participantstreamassoc participant_id="${person}"><send>${audio}</send><send>${video}</send></participantstreamassoc></recording>`
    );
}

// What a SIPREC client adds to the browser's offer, and what the scenario changes.
function to_offer(sdp) {
    let line = 0;
    let text = sdp.replace(/^a=mid:.*$/gm, (mid) => `${mid}\r\na=label:${++line}`.replace('\r\r', '\r'));
    if (wanted.candidates === 'mdns')
        text = text
            .replace(/^(a=candidate:\S+ \d+ \S+ \d+) \S+/gm, `$1 ${randomUUID()}.local`)
            .replace(/^(m=\S+) \d+/gm, '$1 9')
            .replace(/^c=IN IP4 \S+/gm, 'c=IN IP4 0.0.0.0');
    if (!wanted.group) text = text.replace(/^a=group:BUNDLE.*\r\n/m, '');
    return text;
}

function invite_body(sdp) {
    const boundary = 'rs-boundary';
    return {
        headers: `Require: siprec\r\nContent-Type: multipart/mixed;boundary=${boundary}\r\n`,
        body:
            `--${boundary}\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n` +
            `--${boundary}\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n` +
            `${metadata()}\r\n--${boundary}--\r\n`,
    };
}

// ---- in the page

async function make_offer({ policy, codec, candidates }) {
    const connection = new RTCPeerConnection({ bundlePolicy: policy });
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240, frameRate: 15 } });
    for (const track of media.getTracks()) {
        const transceiver = connection.addTransceiver(track, { direction: 'sendonly', streams: [media] });
        if (track.kind !== 'video') continue;
        const all = RTCRtpSender.getCapabilities('video').codecs;
        const first = all.filter((one) => one.mimeType === codec);
        if (first.length === 0) return null;
        transceiver.setCodecPreferences([...first, ...all.filter((one) => one.mimeType !== codec)]);
    }
    const offer = await connection.createOffer();
    globalThis.connection = connection;
    if (candidates === 'none') {
        await connection.setLocalDescription(offer);
        return offer.sdp;
    }
    await new Promise((resolve) => {
        connection.onicegatheringstatechange = () => connection.iceGatheringState === 'complete' && resolve();
        connection.setLocalDescription(offer);
    });
    return connection.localDescription.sdp;
}

async function counts() {
    const stats = [...(await globalThis.connection.getStats()).values()];
    const sent = stats.filter((one) => one.type === 'outbound-rtp');
    const codec_of = (one) => stats.find((other) => other.id === one.codecId)?.mimeType;
    return {
        sent: Object.fromEntries(sent.map((one) => [one.kind, one.packetsSent])),
        codecs: Object.fromEntries(sent.map((one) => [one.kind, codec_of(one)])),
        transports: stats.filter((one) => one.type === 'transport').length,
        state: globalThis.connection.connectionState,
    };
}

// ---- the call

// getUserMedia is there for secure origins alone: a page of localhost is one.
const pages = http.createServer((_, reply) => reply.setHeader('content-type', 'text/html').end('<!doctype html><title>peer</title>'));
await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--allow-loopback-in-peer-connection'],
});
const sip = new SipClient();
try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${pages.address().port}/`);
    const offer = await page.evaluate(make_offer, wanted);
    if (offer === null) {
        console.log(JSON.stringify({ skipped: true }));
    } else {
        await sip.connect(sip_port);
        const { headers, body } = invite_body(to_offer(offer));
        sip.send('INVITE', headers, body);
        const answer = await sip.response();
        sip.send('ACK');
        assert.equal(answer.status, 200, answer.head);
        if (process.env.SHOW_SDP) console.error(`${to_offer(offer)}\n----\n${answer.body}`);
        await page.evaluate((sdp) => globalThis.connection.setRemoteDescription({ type: 'answer', sdp }), answer.body);
        let state = null;
        for (let i = 0; i < 200 && !(state?.state === 'connected' && state.sent.audio > 0 && state.sent.video > 0); ++i) {
            await new Promise((resolve) => setTimeout(resolve, 100));
            state = await page.evaluate(counts);
        }
        assert.equal(state.state, 'connected');
        await new Promise((resolve) => setTimeout(resolve, 1000 * wanted.seconds));
        const result = await page.evaluate(counts);
        assert.equal(result.state, 'connected');
        // What is counted has left by now; the server reads it before the BYE closes the streams.
        sip.send('BYE');
        assert.equal((await sip.response()).status, 200);
        console.log(JSON.stringify({ call_id: sip.call_id, ...result }));
    }
} finally {
    sip.close();
    await browser.close();
    pages.close();
}
