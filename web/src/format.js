// How figures, times and names look on the page. Pure, so that node:test can try it without a browser.

/** @param {number | null} ms */
export function duration(ms) {
    if (ms === null) return '';
    const total = Math.floor(ms / 1000); // as players do: a time is reached, not near
    const seconds = String(total % 60).padStart(2, '0');
    const minutes = Math.floor(total / 60) % 60;
    const hours = Math.floor(total / 3600);
    return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/** A time as logs and other people have it; the page shows the local one. @param {string} time RFC 3339 */
export function utc(time) {
    return `${time.slice(0, 10)} ${time.slice(11).replace('Z', '')} UTC`;
}

/** The part of an address that a person reads: the user of a SIP or tel URI. @param {string} aor */
export function shortAor(aor) {
    // A From header may have the whole name-addr: "Ada" <sip:ada@desk.example>
    const uri = /<([^>]*)>/.exec(aor)?.[1] ?? aor;
    const user = /^(?:sips?:|tel:)?([^@;?]+)/i.exec(uri);
    return user ? user[1] : aor;
}

/** @param {{ aor: string, name?: string | null }} participant */
export function who(participant) {
    return participant.name || shortAor(participant.aor);
}

/** Who spoke with whom, for a row of the list. @param {{ aor: string, name?: string | null }[]} participants */
export function parties(participants) {
    if (participants.length === 0) return 'unknown parties';
    const names = participants.map(who);
    return names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', ');
}

/** What a stream is, for a person. @param {{ media: string, role?: string }} stream */
export function streamKind(stream) {
    if (stream.role === 'content') return stream.media === 'video' ? 'shared screen' : `shared ${stream.media}`;
    if (stream.role === 'sign_language') return 'sign language';
    return stream.role === 'camera' ? 'camera' : stream.media;
}

/** How a stream is protected on the wire; empty: not at all. @param {{ suite?: string, dtls_role?: string }} stream */
export function protection(stream) {
    const suite = stream.suite ?? '';
    return stream.dtls_role ? `${suite || 'no keys yet'} (DTLS, ${stream.dtls_role})` : suite;
}

/**
 * The lines of all text streams in the order in which they were begun, each with a name.
 * @param {{ label: string, lines: { start_ms: number, csrc: number | null, by: string | null, text: string }[] }[]} texts
 */
export function conversation(texts) {
    return texts
        .flatMap((text) =>
            text.lines.map((line) => ({
                start_ms: line.start_ms,
                by: line.by ? who({ aor: line.by }) : line.csrc === null ? `Text ${text.label}` : sourceName(line.csrc),
                text: line.text,
            })),
        )
        .sort((a, b) => a.start_ms - b.start_ms);
}

/** A source that has no name. @param {number} csrc */
function sourceName(csrc) {
    return `Source ${csrc.toString(16).padStart(8, '0')}`;
}

/** @param {{ label: string, csrc: number | null, name: string | null }} speaker */
export function speakerName(speaker) {
    if (speaker.name) return who({ aor: speaker.name });
    return speaker.csrc === null ? `Stream ${speaker.label}` : sourceName(speaker.csrc);
}

/** @param {{ spans: [number, number][] }} speaker */
export function spokenMs(speaker) {
    return speaker.spans.reduce((sum, [, length]) => sum + length, 0);
}

/** @param {{ kind: string | null, title: string | null, presenter: string | null }} sharing */
export function sharingText(sharing) {
    const what = sharing.kind ?? 'content';
    const title = sharing.title ? ` “${sharing.title}”` : '';
    return `${what}${title}${sharing.presenter ? ` by ${shortAor(sharing.presenter)}` : ''}`;
}

/** Milliseconds of a stream that are missing, by reason. @param {{ duration_ms: number, reason: string }[]} gaps */
export function gapTotals(gaps) {
    /** @type {Record<string, number>} */
    const totals = {};
    for (const gap of gaps) totals[gap.reason] = (totals[gap.reason] ?? 0) + gap.duration_ms;
    return totals;
}

const kReasons = /** @type {Record<string, string>} */ ({
    lost: 'lost on the way',
    paused: 'recording paused',
    held: 'on hold',
    not_negotiated: 'not negotiated',
    storage: 'could not be stored',
    dropped: 'dropped',
});
/** @param {string} reason */
export function gapText(reason) {
    return kReasons[reason] ?? reason;
}

// What the page tells elsewhere: the row of the attempt, the counts of packets.
const kNotShown = ['attempt', 'stream_counters'];
// Whose voice is in a mix changes with each word: the JSON has them all, the list of a person only the last of a row.
const kFlooding = ['contributors'];

/**
 * The events of a recording in the order of their times.
 * @template {{ type: string, time: string }} T
 * @param {T[]} events
 */
export function timeline(events) {
    return events
        .filter((event) => !kNotShown.includes(event.type))
        .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
        .filter((event, index, all) => !kFlooding.includes(event.type) || all[index + 1]?.type !== event.type);
}

const kShownElsewhere = ['type', 'time', 'arrival_ns', 'stream', 'label', 'piece', 'code', 'what', 'text', 'done', 'peer', 'call_id', 'session_ids'];

/**
 * What an event tells: the sentence first, then what was done, then the other facts by name.
 * @param {Record<string, unknown>} event
 */
export function eventText(event) {
    const sentence = [event.code, event.what ?? event.text].filter(Boolean).join(': ');
    const facts = Object.entries(event)
        .filter(([name, value]) => !kShownElsewhere.includes(name) && value !== false && value !== '')
        .map(([name, value]) => [name, Array.isArray(value) ? value.filter((item) => typeof item === 'string' || typeof item === 'number').join(', ') : value])
        .filter(([, value]) => value !== '' && value !== null && typeof value !== 'object')
        .map(([name, value]) => `${name} ${value}`);
    return [[sentence, event.done].filter(Boolean).join('; '), ...facts].filter(Boolean).join(', ');
}

/**
 * The attempts that became no recording.
 * @template {{ outcome: string }} T
 * @param {T[]} attempts
 */
export function notRecorded(attempts) {
    return attempts.filter((attempt) => !['recording', 'recorded', 'asked'].includes(attempt.outcome));
}

/**
 * "2 (#1)": the label, by which people and metadata know a stream, and its number.
 * @param {{ piece?: unknown, label?: unknown, stream?: number }} event
 */
export function streamName(event) {
    const label = event.label === undefined ? '' : `${event.piece ? `${event.piece}/` : ''}${event.label}`;
    if (event.stream === undefined) return label;
    return label ? `${label} (#${event.stream})` : `#${event.stream}`;
}

/** A stream's name among those of all pieces. @param {{ piece?: number, label: string }} stream */
export function laneName(stream) {
    return stream.piece ? `${stream.piece}/${stream.label}` : stream.label;
}

/**
 * The names of who sends a stream; '' where nobody told.
 * @param {{ participants?: { aor: string, name: string | null }[],
 *           streams?: { piece?: string, label: string, senders: string[] }[] } | undefined} timeline
 * @param {{ piece?: number, label: string }} stream  @param {{ piece: number, id: string }[]} pieces
 */
export function senderNames(timeline, stream, pieces = []) {
    const id = pieces.find((piece) => piece.piece === stream.piece)?.id;
    const told = timeline?.streams?.find((one) => one.label === stream.label && (!one.piece || one.piece === id));
    if (!told || told.senders.length === 0) return '';
    return parties(told.senders.map((aor) => timeline?.participants?.find((one) => one.aor === aor) ?? { aor, name: null }));
}

/**
 * When somebody took part: "0:05 – 1:10, from 2:00 on"; '' where nobody told.
 * @param {{ joined_ms: number | null, left_ms: number | null }[]} presence
 */
export function presenceText(presence) {
    return presence
        .map(({ joined_ms, left_ms }) => {
            if (joined_ms === null) return left_ms === null ? 'the whole time' : `until ${duration(left_ms)}`;
            return left_ms === null ? `from ${duration(joined_ms)} on` : `${duration(joined_ms)} – ${duration(left_ms)}`;
        })
        .join(', ');
}

/** @param {{media: string, packets: number}[]} streams */
export const hasVideo = (streams) => streams.some((s) => s.media === 'video' && s.packets > 0);

/** Whether the server itself decodes all sound there is: else earshot-media has to.
 *  @param {{media: string, packets: number, codec: string}[]} streams */
export const hasOnlyTracks = (streams) =>
    streams.every((s) => s.media !== 'audio' || s.packets === 0 || /^(PCMU|PCMA|G722|L16)\b|^$/i.test(s.codec));

/** Whether a screen was shared: its changes are marks to jump to. @param {{ media: string, role?: string, packets: number }[]} streams */
export function hasContent(streams) {
    return streams.some((stream) => stream.media === 'video' && stream.role === 'content' && stream.packets > 0);
}

/**
 * The time of the mark before or after `now`, or null. Just behind a mark the one before it is meant, or nobody would
 * get past it while it plays.
 * @param {number[]} times sorted @param {number} now @param {1 | -1} way
 */
export function nextMark(times, now, way) {
    const kJustBehind = 1000;
    if (way > 0) return times.find((time) => time > now + 50) ?? null;
    return times.filter((time) => time < now - kJustBehind).at(-1) ?? null;
}

/**
 * Which small picture of the sheet (10 by 10) shows that time, as a place for CSS: percents of background-position.
 * @param {number} at_ms @param {number} total_ms
 */
export function sheetPlace(at_ms, total_ms) {
    const cell = Math.min(99, Math.max(0, Math.floor((100 * at_ms) / Math.max(1, total_ms))));
    return `${((cell % 10) * 100) / 9}% ${(Math.floor(cell / 10) * 100) / 9}%`;
}

// What people read of a chat, in its order: not who is composing, nor what came twice.
/** @param {any[]} messages */
export function chatLines(messages) {
    const lines = messages.filter((one) => ['text', 'file', 'other', 'notice'].includes(one.kind) && !one.repeated);
    // Several chats in one recording: which of them each line is of. A file has a line of its own, which is no chat.
    const chats = new Map();
    for (const line of lines) if (line.kind !== 'file' && !chats.has(chatOf(line))) chats.set(chatOf(line), chats.size + 1);
    return chats.size < 2 ? lines : lines.map((line) => ({ ...line, chat: chats.get(chatOf(line)) }));
}
/** @param {any} message */
const chatOf = (message) => message.stream_id || message.label;

/** @param {any} message */
export function chatSender(message) {
    const named = (/** @type {{ name?: string, uri?: string } | undefined} */ person) => person?.name || shortAor(person?.uri ?? '');
    const nickname = message.nickname ? `"${message.nickname}"` : '';
    const chat = message.chat ? `(chat ${message.chat})` : '';
    const sender = [named(message.from) || (nickname ? '' : `Chat ${message.label}`), nickname, chat].filter(Boolean).join(' ');
    if (!message.private) return sender;
    const to = named(message.to[0]);
    return to ? `${sender} to ${to} (private)` : `${sender} (private)`;
}

/** @param {any} message */
export function chatFile(message) {
    const name = message.file_name || message.content_type || 'file';
    const isOther = (message.announced ?? []).some((/** @type {{ matches?: boolean }} */ hash) => hash.matches === false);
    if (isOther) return `${name} (not the file that was announced)`;
    const announced = message.announced_octets;
    if (announced === undefined) return name;
    const octets = Math.max(message.octets - (message.content_at ?? 0), 0);
    return announced === octets ? name : `${name} (${octets} octets of ${announced} announced)`;
}

/**
 * A message, or a file, that the client left out.
 * @param {{ unsupported_types?: string[], dropped_size?: number, file_name?: string, content_type?: string, announced?: any[] }} message
 */
export function chatNotice(message) {
    const isFile = Boolean(message.file_name || message.announced?.length);
    const what = [
        message.file_name ? `"${message.file_name}"` : '',
        ...(message.unsupported_types ?? []),
        isFile ? message.content_type : '',
        message.dropped_size === undefined ? '' : `${message.dropped_size} octets`,
    ];
    return [`a ${isFile ? 'file' : 'message'} that was not sent here`, what.filter(Boolean).join(', ')].filter(Boolean).join(': ');
}

// As the transcript has them (archive/chat_delivery.cpp): the furthest first.
const kDeliveries = [
    ['displayed', 'read', 'by'],
    ['processed', 'processed', 'by'],
    ['delivered', 'delivered', 'to'],
    ['stored', 'stored', 'for'],
    ['failed', 'failed', 'for'],
    ['error', 'error', 'for'],
];
const kMaxNamedPeople = 5;

/**
 * What became of it at those who were to have it: "read by Bo; failed for Cy: 413"; '' where nobody told.
 * @param {{ deliveries?: { status: string, code?: number, person: { uri?: string, name?: string } }[] }} message
 */
export function chatDelivery(message) {
    return kDeliveries
        .flatMap(([status, word, relation]) => {
            const all = (message.deliveries ?? []).filter((one) => one.status === status);
            const codes = [...new Set(all.map((one) => one.code ?? 0))].sort((a, b) => a - b);
            return codes.map((code) => {
                const people = all.filter((one) => (one.code ?? 0) === code).map((one) => one.person.name || shortAor(one.person.uri ?? ''));
                const names = people.filter(Boolean).slice(0, kMaxNamedPeople);
                const more = people.length > names.length ? ` and ${people.length - names.length} more` : '';
                return `${word}${names.length > 0 ? ` ${relation} ${names.join(', ')}${more}` : ''}${code ? `: ${code}` : ''}`;
            });
        })
        .join('; ');
}

/** What became of it; nothing where it came whole. @param {{ state: string, kind?: string }} message */
export function chatFate(message) {
    if (message.kind === 'notice' && message.state === 'aborted') return ''; // they all end so
    /** @type {Record<string, string>} */
    const fates = {
        complete: '',
        aborted: 'given up by its sender',
        too_large: 'too large, refused',
        cut: 'cut: the recording was paused',
    };
    return fates[message.state] ?? 'incomplete';
}

const kSilence = ['paused', 'held', 'storage', 'dropped'];

/**
 * What is missing of the chats, as lines among those that were written.
 * @param {{ piece?: number, label: string, media: string, gaps: { start_ms: number, duration_ms: number, reason: string }[] }[]} streams
 */
export function chatGaps(streams) {
    const chats = streams.filter((stream) => stream.media === 'message');
    return chats.flatMap((stream) =>
        stream.gaps
            .filter((gap) => kSilence.includes(gap.reason))
            .map((gap) => ({
                at_ms: gap.start_ms,
                note: `${chats.length > 1 ? `chat ${laneName(stream)}: ` : ''}${gapText(gap.reason)} for ${tenths(gap.duration_ms)} s`,
            })),
    );
}

/** @param {number} ms */
const tenths = (ms) => String(Math.floor(ms / 100) / 10);

/** Lines and notes in the order of their times. @param {any[]} lines @param {any[]} notes */
export const withNotes = (lines, notes) => [...lines, ...notes].sort((a, b) => a.at_ms - b.at_ms);

/** When it was, of day. @param {string} start RFC 3339 @param {number} at_ms */
export const timeOf = (start, at_ms) => new Date(Date.parse(start) + at_ms);

/**
 * The files that a recording can be had as, by what is in it: what is not offered answers 404.
 * @param {{ media: string, packets: number, messages?: number }[]} streams @returns {[string, string][]}
 */
export function exportsOf(streams) {
    const has = (/** @type {string} */ media) => streams.some((s) => s.media === media && s.packets > 0);
    const hasChat = streams.some((s) => s.media === 'message' && (s.messages ?? 0) > 0);
    /** @type {[boolean, string, string][]} */
    const all = [
        [has('audio'), 'stereo', 'Stereo WAV'],
        [has('audio'), 'wav', 'WAV, a channel a voice'],
        [hasChat || has('text'), 'txt', hasChat ? 'Transcript' : 'Typed text'],
        [hasChat, 'chat', 'Chat (JSON)'],
        [has('text'), 'vtt', 'Subtitles (WebVTT)'],
        [has('text'), 'srt', 'Subtitles (SRT)'],
        [true, 'pcap', 'Packets (pcap)'],
        [true, 'xml', 'Metadata (XML)'],
        [true, 'json', 'Everything known (JSON)'],
    ];
    return all.filter(([is]) => is).map(([, format, text]) => [format, text]);
}

/**
 * What is in a recording, for its row.
 * @param {{ media: string, role?: string, packets: number, messages?: number, codec?: string }[]} streams
 */
export function contents(streams) {
    const is = (/** @type {(s: any) => boolean} */ test) => streams.some(test);
    const found = [
        [is((s) => s.media === 'audio' && s.packets > 0), 'voice'],
        [is((s) => s.media === 'video' && s.role !== 'content' && s.packets > 0), 'video'],
        [is((s) => s.media === 'video' && s.role === 'content' && s.packets > 0), 'screen'],
        [is((s) => s.media === 'text' && s.packets > 0), 'text'],
        [is((s) => s.media === 'message' && (s.messages ?? 0) > 0), 'chat'],
    ];
    return found.filter(([there]) => there).map(([, name]) => String(name));
}

/** What a row and a heading say of its state: an erased one is no sound one. @param {{ state: string, reason?: { code: string } | null }} recording */
export const stateOf = (recording) => (recording.reason?.code === 'erased' ? 'erased' : recording.state);

/**
 * Who is in a running call, by the metadata where there are participants; else by the INVITE.
 * @param {{ id: string, from: string, to: string, direction: string }} call
 * @param {{ id: string, participants: { aor: string, name?: string | null }[] }[]} recordings
 */
export function liveParties(call, recordings) {
    const known = recordings.find((one) => one.id === call.id)?.participants ?? [];
    return known.length > 0 ? parties(known) : shortAor(call.direction === 'outgoing' ? call.to : call.from);
}
