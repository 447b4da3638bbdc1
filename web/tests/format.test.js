import assert from 'node:assert/strict';
import test from 'node:test';

import {
    chatDelivery,
    chatFate,
    chatFile,
    chatGaps,
    chatLines,
    chatNotice,
    chatSender,
    contents,
    conversation,
    duration,
    eventText,
    exportsOf,
    gapTotals,
    hasContent,
    laneName,
    liveParties,
    nextMark,
    notRecorded,
    parties,
    presenceText,
    protection,
    senderNames,
    sharingText,
    sheetPlace,
    shortAor,
    speakerName,
    spokenMs,
    stateOf,
    streamKind,
    streamName,
    timeOf,
    timeline,
    utc,
    who,
    withNotes,
} from '../src/format.js';

test('a duration is minutes and seconds, with hours when there are any', () => {
    assert.equal(duration(10_020), '0:10');
    assert.equal(duration(59_999), '0:59');
    assert.equal(duration(3_725_000), '1:02:05');
    assert.equal(duration(null), '');
});

test('marks are jumped to, from one to the next', () => {
    const times = [0, 4000, 9000];
    assert.equal(nextMark(times, 0, 1), 4000);
    assert.equal(nextMark(times, 4000, 1), 9000);
    assert.equal(nextMark(times, 9500, 1), null);
    assert.equal(nextMark(times, 9500, -1), 4000); // just behind one the one before is meant
    assert.equal(nextMark(times, 10_500, -1), 9000);
    assert.equal(nextMark(times, 500, -1), null);
});

test('a small picture has its place on the sheet', () => {
    assert.equal(sheetPlace(0, 1000), '0% 0%');
    assert.equal(sheetPlace(995, 1000), '100% 100%');
    assert.equal(sheetPlace(1000, 1000), '100% 100%');
    assert.equal(sheetPlace(119, 1000), `${100 / 9}% ${100 / 9}%`);
    assert.equal(sheetPlace(5, 0), '100% 100%');
});

test('a screen was shared when there are pictures of it', () => {
    assert.equal(hasContent([{ media: 'video', role: 'content', packets: 3 }]), true);
    assert.equal(hasContent([{ media: 'video', role: 'content', packets: 0 }]), false);
    assert.equal(hasContent([{ media: 'video', role: 'camera', packets: 3 }, { media: 'audio', packets: 9 }]), false);
});

test('how a stream is protected is its suite, and our role where DTLS has keyed it', () => {
    assert.equal(protection({}), '');
    assert.equal(protection({ suite: 'AEAD_AES_256_GCM' }), 'AEAD_AES_256_GCM');
    assert.equal(protection({ suite: 'AEAD_AES_256_GCM', dtls_role: 'active' }), 'AEAD_AES_256_GCM (DTLS, active)');
    assert.equal(protection({ dtls_role: 'passive' }), 'no keys yet (DTLS, passive)');
});

test('a time can be had in UTC', () => {
    assert.equal(utc('2026-03-02T09:15:00.120Z'), '2026-03-02 09:15:00.120 UTC');
});

test('a stream is named by its label and number', () => {
    assert.equal(streamName({ stream: 0, label: '2' }), '2 (#0)');
    assert.equal(streamName({ stream: 0, label: '2', piece: 3 }), '3/2 (#0)');
    assert.equal(streamName({ stream: 1 }), '#1');
    assert.equal(streamName({}), '');
});

test('an address is shown by its user, a person by the name', () => {
    assert.equal(shortAor('sip:ada@desk.example;user=phone'), 'ada');
    assert.equal(shortAor('tel:+4685550101'), '+4685550101');
    assert.equal(shortAor('"Ada L" <sip:ada@desk.example>;tag=1'), 'ada');
    assert.equal(who({ aor: 'sip:ada@desk.example', name: 'Ada' }), 'Ada');
    assert.equal(who({ aor: 'sip:ada@desk.example', name: null }), 'ada');
});

test('many parties are summed up', () => {
    const people = ['a', 'b', 'c', 'd'].map((user) => ({ aor: `sip:${user}@x.example` }));
    assert.equal(parties(people), 'a, b and 2 more');
    assert.equal(parties(people.slice(0, 2)), 'a, b');
    assert.equal(parties([]), 'unknown parties');
});

test('gaps are added up by reason', () => {
    const gaps = [
        { duration_ms: 20, reason: 'lost' },
        { duration_ms: 40, reason: 'lost' },
        { duration_ms: 2000, reason: 'paused' },
    ];
    assert.deepEqual(gapTotals(gaps), { lost: 60, paused: 2000 });
});

test('events are told in their order, by a sentence and the facts beside it', () => {
    const events = [
        { type: 'stream_counters', time: '2026-03-02T09:15:03.000Z' },
        { type: 'call_ended', time: '2026-03-02T09:15:02.000Z' },
        { type: 'recording_paused', time: '2026-03-02T09:15:01.000Z' },
    ];
    assert.deepEqual(
        timeline(events).map((event) => event.type),
        ['recording_paused', 'call_ended'],
    );
    assert.equal(
        eventText({ type: 'sip_leniency', time: '', code: 'no_label', what: 'no a=label', done: 'the index is taken', peer: 'x' }),
        'no_label: no a=label; the index is taken',
    );
    assert.equal(
        eventText({ type: 'recording_paused', time: '', who: 'ada', reason: 'card', paused: false, list: ['a', 'b'], payload_types: [{}] }),
        'who ada, reason card, list a, b',
    );
    assert.equal(eventText({ type: 'stream_removed', time: '', stream: 0 }), '');
    assert.equal(eventText({ type: 'contributors', time: '', csrcs: [17, 18] }), 'csrcs 17, 18');
});

test('what became no recording is told apart', () => {
    const attempts = ['recorded', 'declined', 'asked', 'refused', 'recording'].map((outcome) => ({ outcome }));
    assert.deepEqual(notRecorded(attempts), [{ outcome: 'declined' }, { outcome: 'refused' }]);
});

test('a stream is named with its piece where there are several', () => {
    assert.equal(laneName({ label: '1' }), '1');
    assert.equal(laneName({ piece: 2, label: '1' }), '2/1');
});

test('a stream is called what it shows', () => {
    assert.equal(streamKind({ media: 'audio' }), 'audio');
    assert.equal(streamKind({ media: 'audio', role: 'content' }), 'shared audio');
    assert.equal(streamKind({ media: 'video', role: 'content' }), 'shared screen');
    assert.equal(streamKind({ media: 'video', role: 'camera' }), 'camera');
});

test('what was typed is one conversation in the order of time', () => {
    const line = (start_ms, by, text, csrc = null) => ({ start_ms, end_ms: start_ms, csrc, by, text });
    assert.deepEqual(
        conversation([
            { label: '5', lines: [line(1000, 'Ada', 'Hi'), line(3000, null, 'Bye')] },
            { label: '6', lines: [line(2000, 'sip:bo@desk.example', 'Yo'), line(2500, null, 'x', 17)] },
        ]),
        [
            { start_ms: 1000, by: 'Ada', text: 'Hi' },
            { start_ms: 2000, by: 'bo', text: 'Yo' },
            { start_ms: 2500, by: 'Source 00000011', text: 'x' },
            { start_ms: 3000, by: 'Text 5', text: 'Bye' },
        ],
    );
});

test('a speaker has a name, a source or a stream', () => {
    assert.equal(speakerName({ label: '1', csrc: 7, name: 'bo@desk' }), 'bo');
    assert.equal(speakerName({ label: '1', csrc: 255, name: null }), 'Source 000000ff');
    assert.equal(speakerName({ label: '1', csrc: null, name: null }), 'Stream 1');
    assert.equal(spokenMs({ spans: [[0, 20], [100, 30]] }), 50);
});

test('what is shared is told with its title and presenter', () => {
    assert.equal(sharingText({ kind: null, title: null, presenter: null }), 'content');
    assert.equal(sharingText({ kind: 'screen', title: 'Deck', presenter: 'sip:ada@desk.example' }), 'screen “Deck” by ada');
});

test('a chat shows what was written and sent, and once', () => {
    const kinds = ['text', 'composing', 'file', 'notification', 'notice'].map((kind) => ({ kind }));
    assert.deepEqual(
        chatLines([...kinds, { kind: 'text', repeated: true }]).map((one) => one.kind),
        ['text', 'file', 'notice'],
    );
});

test('a line tells of which chat it is where there are several', () => {
    const line = (kind, label, stream_id) => ({ kind, label, stream_id });
    const one = [line('text', '1', 'a'), line('file', '2')];
    assert.deepEqual(chatLines(one), one);
    assert.deepEqual(
        chatLines([line('text', '1', 'a'), line('text', '1', 'b'), line('file', '2')]).map((told) => told.chat),
        [1, 2, undefined],
    );
    assert.equal(chatSender({ from: { name: 'Ana' }, to: [], label: '1', chat: 2 }), 'Ana (chat 2)');
});

test('a message is told by who wrote it, and to whom when that is private', () => {
    const from = { uri: 'sip:ana@desk.example', name: 'Ana' };
    const to = [{ uri: 'sip:ben@desk.example' }];
    assert.equal(chatSender({ from, to, label: '1' }), 'Ana');
    assert.equal(chatSender({ from, to, label: '1', private: true }), 'Ana to ben (private)');
    assert.equal(chatSender({ from: { uri: '' }, to: [], nickname: 'a_r', label: '1' }), '"a_r"');
    assert.equal(chatSender({ from, to, nickname: 'chair', label: '1' }), 'Ana "chair"');
    assert.equal(chatSender({ from: { uri: '' }, to: [], label: '1' }), 'Chat 1');
});

test('a file is told by its name, and when it is another one than was announced', () => {
    assert.equal(chatFile({ file_name: 'plan.pdf' }), 'plan.pdf');
    assert.equal(chatFile({ content_type: 'image/png' }), 'image/png');
    assert.equal(
        chatFile({ file_name: 'a', announced: [{ matches: false }] }),
        'a (not the file that was announced)',
    );
    const sized = { file_name: 'a', octets: 120, content_at: 20 };
    assert.equal(chatFile({ ...sized, announced_octets: 100 }), 'a');
    assert.equal(
        chatFile({ ...sized, announced_octets: 500 }),
        'a (100 octets of 500 announced)',
    );
});

test('what became of a message is told when it did not come whole', () => {
    assert.equal(chatFate({ state: 'complete' }), '');
    assert.equal(chatFate({ state: 'aborted' }), 'given up by its sender');
    assert.equal(chatFate({ state: 'lost' }), 'incomplete');
    assert.equal(chatFate({ state: 'aborted', kind: 'notice' }), '');
});

test('a message that was left out is told by its type and size where they are known', () => {
    assert.equal(chatNotice({}), 'a message that was not sent here');
    assert.equal(chatNotice({ unsupported_types: ['image/tiff'], dropped_size: 77 }), 'a message that was not sent here: image/tiff, 77 octets');
    assert.equal(
        chatNotice({ file_name: 'plan.pdf', content_type: 'application/pdf', dropped_size: 5, announced: [{}] }),
        'a file that was not sent here: "plan.pdf", application/pdf, 5 octets',
    );
});

test('who has read a message and whom it did not reach is told beside it', () => {
    const at = (status, name, code) => ({ status, code, at_ms: 1, person: { uri: `sip:${name}@desk.example` } });
    assert.equal(chatDelivery({}), '');
    assert.equal(
        chatDelivery({ deliveries: [at('failed', 'dan', 413), at('delivered', 'cy'), at('displayed', 'bo'), at('displayed', 'eve'), at('forbidden', 'fay')] }),
        'read by bo, eve; delivered to cy; failed for dan: 413',
    );
    assert.equal(chatDelivery({ deliveries: [...'abcdefg'].map((name) => at('displayed', name)) }), 'read by a, b, c, d, e and 2 more');
    assert.equal(chatDelivery({ deliveries: [{ status: 'failed', code: 408, person: { uri: '' } }] }), 'failed: 408');
});

test('of changes of a mix that follow one another the last one is shown', () => {
    const event = (type, time) => ({ type, time });
    const events = [event('contributors', '1'), event('contributors', '2'), event('held', '3'), event('contributors', '4')];
    assert.deepEqual(
        timeline(events).map((one) => one.time),
        ['2', '3', '4'],
    );
});

test('what a chat lacks is told where it is missing', () => {
    const gaps = [
        { start_ms: 2000, duration_ms: 3190, reason: 'paused' },
        { start_ms: 0, duration_ms: 10, reason: 'not_negotiated' },
    ];
    const chat = { media: 'message', label: '5', gaps };
    assert.deepEqual(chatGaps([chat, { media: 'audio', label: '1', gaps }]), [{ at_ms: 2000, note: 'recording paused for 3.1 s' }]);
    assert.equal(chatGaps([chat, { ...chat, label: '6' }])[1].note, 'chat 6: recording paused for 3.1 s');
    const lines = [{ at_ms: 1000 }, { at_ms: 9000 }];
    assert.deepEqual(
        withNotes(lines, chatGaps([chat])).map((line) => line.at_ms),
        [1000, 2000, 9000],
    );
    assert.equal(timeOf('2026-03-02T09:15:00.120Z', 1000).toISOString(), '2026-03-02T09:15:01.120Z');
});

test('files are offered of what there is', () => {
    const names = (streams) => exportsOf(streams).map(([format]) => format);
    assert.deepEqual(names([{ media: 'message', packets: 0, messages: 3 }]), ['txt', 'chat', 'pcap', 'xml', 'json']);
    assert.deepEqual(names([{ media: 'audio', packets: 5 }]), ['stereo', 'wav', 'pcap', 'xml', 'json']);
    assert.deepEqual(names([{ media: 'audio', packets: 0 }, { media: 'text', packets: 2 }]), ['txt', 'vtt', 'srt', 'pcap', 'xml', 'json']);
    assert.deepEqual(names([{ media: 'message', packets: 0, messages: 0 }]), ['pcap', 'xml', 'json']);
});

test('a row tells what is in a recording, and that it was erased', () => {
    const streams = [
        { media: 'audio', packets: 1 },
        { media: 'video', packets: 1, role: 'content' },
        { media: 'video', packets: 0 },
        { media: 'message', packets: 0, messages: 2 },
    ];
    assert.deepEqual(contents(streams), ['voice', 'screen', 'chat']);
    assert.equal(stateOf({ state: 'complete', reason: { code: 'erased' } }), 'erased');
    assert.equal(stateOf({ state: 'complete', reason: null }), 'complete');
});

test('a running call is called by who is in it', () => {
    const call = { id: 'r1', from: 'sip:rec@127.0.0.1', to: 'sip:srs@x', direction: 'incoming' };
    const ada = { aor: 'sip:ada@x', name: 'Ada' };
    assert.equal(liveParties(call, [{ id: 'r1', participants: [ada, { aor: 'sip:bo@x' }] }]), 'Ada, bo');
    assert.equal(liveParties(call, []), 'rec');
    assert.equal(liveParties({ ...call, direction: 'outgoing' }, []), 'srs');
});

test('lanes are named by who sends the stream', () => {
    const timeline = {
        participants: [
            { aor: 'sip:ada@x', name: 'Ada' },
            { aor: 'sip:bo@x', name: null },
        ],
        streams: [
            { piece: 'p1', label: '1', senders: ['sip:ada@x'] },
            { piece: 'p2', label: '1', senders: ['sip:bo@x', 'sip:ada@x'] },
            { piece: 'p2', label: '2', senders: [] },
        ],
    };
    const pieces = [{ piece: 1, id: 'p1' }, { piece: 2, id: 'p2' }];
    assert.equal(senderNames(timeline, { piece: 1, label: '1' }, pieces), 'Ada');
    assert.equal(senderNames(timeline, { piece: 2, label: '1' }, pieces), `${shortAor('sip:bo@x')}, Ada`);
    assert.equal(senderNames(timeline, { piece: 2, label: '2' }, pieces), '');
    assert.equal(senderNames(undefined, { label: '1' }), '');
    const whole = { participants: [], streams: [{ label: '1', senders: ['sip:cy@x'] }] };
    assert.equal(senderNames(whole, { label: '1' }), shortAor('sip:cy@x'));
    assert.equal(senderNames(whole, { label: '9' }), '');
});

test('participants come and go', () => {
    assert.equal(presenceText([]), '');
    assert.equal(presenceText([{ joined_ms: null, left_ms: null }]), 'the whole time');
    assert.equal(
        presenceText([{ joined_ms: null, left_ms: 65000 }, { joined_ms: 70000, left_ms: 80000 }, { joined_ms: 90000, left_ms: null }]),
        `until ${duration(65000)}, ${duration(70000)} – ${duration(80000)}, from ${duration(90000)} on`,
    );
});
