// How figures, times and names look on the page. Pure, so that node:test can try it without a browser.

/** @param {number | null} ms */
export function duration(ms) {
    if (ms === null) return '';
    const total = Math.round(ms / 1000);
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

/**
 * The events of a recording in the order of their times.
 * @template {{ type: string, time: string }} T
 * @param {T[]} events
 */
export function timeline(events) {
    return events
        .filter((event) => !kNotShown.includes(event.type))
        .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
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
        .map(([name, value]) => [name, Array.isArray(value) ? value.filter((item) => typeof item === 'string').join(', ') : value])
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
export const chatLines = (messages) =>
    messages.filter((one) => ['text', 'file', 'other', 'notice'].includes(one.kind) && !one.repeated);

export function chatSender(message) {
    const named = (person) => person?.name || shortAor(person?.uri ?? '');
    const sender = named(message.from) || message.nickname || `Chat ${message.label}`;
    if (!message.private) return sender;
    const to = named(message.to[0]);
    return to ? `${sender} to ${to} (private)` : `${sender} (private)`;
}

export function chatFile(message) {
    const name = message.file_name || message.content_type || 'file';
    const isOther = (message.announced ?? []).some((hash) => hash.matches === false);
    if (isOther) return `${name} (not the file that was announced)`;
    const announced = message.announced_octets;
    if (announced === undefined) return name;
    const octets = Math.max(message.octets - (message.content_at ?? 0), 0);
    return announced === octets ? name : `${name} (${octets} octets of ${announced} announced)`;
}

// What became of it; nothing where it came whole.
export function chatFate(message) {
    const fates = {
        complete: '',
        aborted: 'given up by its sender',
        too_large: 'too large, refused',
        cut: 'cut: the recording was paused',
    };
    return fates[message.state] ?? 'incomplete';
}
