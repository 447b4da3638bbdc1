// The REST API as the page uses it (docs/rest-api.md). Same origin, cookie session.
export interface Gap {
    start_ms: number;
    duration_ms: number;
    reason: string;
}
export interface Stream {
    piece?: number;
    label: string;
    media: string;
    /** Of video, and of sound that is part of a presentation: camera, content, sign_language. */
    role?: string;
    codec: string;
    suite?: string;
    /** Ours, of a stream keyed by DTLS. */
    dtls_role?: 'active' | 'passive';
    packets: number;
    lost: number;
    /** Packets that did not come and that forward error correction brings back. */
    recovered?: number;
    gaps: Gap[];
    /** Of a chat. */
    messages?: number;
    video?: {
        pictures: number;
        key_pictures: number;
        damaged: number;
        changes: { at_ms: number; codec: string; width: number; height: number }[];
    };
}
/** What one dialog brought, where a recording has several. */
export interface Piece {
    piece: number;
    id: string;
    state: string;
    offset_ms: number;
    duration_ms: number | null;
    peer: string;
    joined: { with: string; key: string; value: string }[];
}
export interface Recording {
    id: string;
    state: 'recording' | 'complete' | 'partial' | 'failed';
    reason: { code: string; text: string } | null;
    start: string;
    duration_ms: number | null;
    call_ids: string[];
    session_ids: string[];
    participants: { aor: string; name: string | null; seen_in_messages?: boolean }[];
    streams: Stream[];
    group: string | null;
    profile?: string | null;
    pieces?: Piece[];
    headers: Record<string, string | string[]>;
    extensions: Record<string, unknown>;
    warnings?: { code: string; label: string | null; text: string }[];
}
export interface LiveCall {
    id: string;
    call_id: string;
    from: string;
    to: string;
    peer: string;
    direction: 'incoming' | 'outgoing';
    start: string;
    withheld: boolean;
    streams: { label: string; media: string; codec: string; suite?: string; dtls_role?: 'active' | 'passive'; state: string; packets: number }[];
    operator_pause: { who: string; reason: string; client: 'untold' | 'agreed' | 'refused'; sip_status: number } | null;
}
/** Lowest and highest sample of each span of a track, -1 to 1, as wavesurfer takes them. */
export interface TrackPeaks {
    piece?: number;
    label: string;
    peaks: number[];
}
export interface TimelineEvent {
    type: string;
    time: string;
    stream?: number;
    label?: string;
    piece?: number;
    [name: string]: unknown;
}
/** Who typed, spoke and shared when; times from the recording's start. */
export interface CallTimeline {
    texts: {
        label: string;
        missing: number;
        lines: { start_ms: number; end_ms: number; csrc: number | null; by: string | null; text: string }[];
    }[];
    speakers: { label: string; csrc: number | null; name: string | null; spans: [number, number][] }[];
    sharing: { label: string; start_ms: number; duration_ms: number; kind: string | null; title: string | null; presenter: string | null }[];
    participants?: { aor: string; name: string | null; seen_in_messages?: boolean; presence: { joined_ms: number | null; left_ms: number | null }[] }[];
    /** Who sends which; `piece` is its id, where the recording has several. */
    streams?: { piece?: string; label: string; senders: string[] }[];
}
/** One INVITE, whatever became of it. */
export interface Attempt {
    id: string;
    time: string;
    /** Of the INVITE: `outgoing` is ours, by `earshot start`. */
    direction: 'incoming' | 'outgoing';
    from: string;
    to: string;
    peer: string;
    outcome: string;
    sip_status: number;
    reason: { code: string; text: string } | null;
}
export interface Verification {
    ok: boolean;
    contents: 'checked' | 'not_checked' | 'erased';
    contents_text: string;
    problems: string[];
}

export interface ChatPerson {
    uri: string;
    name?: string;
}
export interface ChatMessage {
    message: number;
    label: string;
    at_ms: number;
    kind: string;
    state: string;
    from: ChatPerson;
    to: ChatPerson[];
    octets: number;
    private?: boolean;
    withheld?: boolean;
    repeated?: boolean;
    nickname?: string;
    content_type?: string;
    unsupported_types?: string[];
    dropped_size?: number;
    deliveries?: { status: string; code?: number; at_ms: number; person: ChatPerson }[];
    text?: string;
    file_name?: string;
    announced?: { matches?: boolean }[];
    announced_octets?: number;
    content_at?: number;
}

export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
    ) {
        super(message);
    }
}

async function request<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await fetch(`/api/v1/${path}`, init);
    if (!response.ok) {
        const problem = await response.json().catch(() => ({}));
        throw new ApiError(response.status, problem.detail ?? problem.title ?? response.statusText);
    }
    return response.json();
}

const recording = (id: string) => `recordings/${encodeURIComponent(id)}`;

export const kPageSize = 100;

export function listRecordings(query: string, after: string): Promise<Recording[]> {
    const parameters = new URLSearchParams({ limit: String(kPageSize) });
    if (query) parameters.set('q', query);
    if (after) parameters.set('after', after);
    return request<{ recordings: Recording[] }>(`recordings?${parameters}`).then((page) => page.recordings);
}
export const loadEvents = (id: string) =>
    request<{ events: TimelineEvent[] }>(`${recording(id)}/events`).then((body) => body.events);
export const loadTimeline = (id: string) => request<CallTimeline>(`${recording(id)}/timeline`);
const ofPiece = (piece: string) => (piece ? `?piece=${encodeURIComponent(piece)}` : '');
export const loadChat = (id: string, piece: string) =>
    request<{ messages: ChatMessage[] }>(`${recording(id)}/chat${ofPiece(piece)}`);
export const messageUrl = (id: string, message: number, piece: string) =>
    `/api/v1/${recording(id)}/messages/${message}${ofPiece(piece)}`;
export const listAttempts = () =>
    request<{ attempts: Attempt[] }>(`attempts?limit=${kPageSize}`).then((page) => page.attempts);
export const listLive = () => request<{ calls: LiveCall[] }>('live').then((page) => page.calls);
export const verify = (id: string) => request<Verification>(`${recording(id)}/verify`, { method: 'POST' });
export const control = (id: string, verb: 'pause' | 'resume' | 'stop') =>
    request<{ id: string }>(`${recording(id)}/${verb}`, { method: 'POST' });
export const loadPeaks = (id: string) => request<{ tracks: TrackPeaks[] }>(`${recording(id)}/peaks`);
export const exportUrl = (id: string, format: string, piece?: number) =>
    `/api/v1/${recording(id)}/export?format=${format}${piece ? `&piece=${piece}` : ''}`;
/** What earshot-media makes of a recording when it is asked for. */
export interface Rendition {
    name: string;
    state: 'waiting' | 'running' | 'ready' | 'failed';
    percent: number;
    bytes: number;
    content_type: string;
    reason: { code: string; text: string } | null;
    report?: {
        tracks: { stream: number; codec: string; state: string; text: string }[];
        faults: { stream: number; at_ms: number; duration_ms: number; count: number; text: string }[];
    };
}
const rendition = (id: string, name: string, label?: string, below = '') =>
    `${recording(id)}/renditions/${name}${below}${label === undefined ? '' : `?label=${encodeURIComponent(label)}`}`;
export const askRendition = (id: string, name: string, label?: string) =>
    request<Rendition>(rendition(id, name, label), { method: 'POST' });
export const lookRendition = (id: string, name: string, label?: string) =>
    request<Rendition>(rendition(id, name, label));
export const dropRendition = (id: string, name: string, label?: string) =>
    request<unknown>(rendition(id, name, label), { method: 'DELETE' });
export const renditionUrl = (id: string, name: string, label?: string) =>
    `/api/v1/${rendition(id, name, label, '/content')}`;
/** Asks for it and tells how it stands until it is made, fails, or `isGone`. */
export async function followRendition(
    id: string,
    name: string,
    label: string | undefined,
    isGone: () => boolean,
    onState: (now: Rendition) => void,
): Promise<Rendition> {
    let now = await askRendition(id, name, label);
    while (!isGone()) {
        onState(now);
        if (now.state === 'ready' || now.state === 'failed') break;
        await new Promise((wake) => setTimeout(wake, 400));
        now = await lookRendition(id, name, label);
    }
    return now;
}
/** Levels of sound that the server does not decode itself. */
export async function loadMadePeaks(id: string): Promise<{ tracks: TrackPeaks[] }> {
    const made = await followRendition(id, 'peaks', undefined, () => false, () => {});
    if (made.reason) throw new Error(made.reason.text);
    const levels: { tracks: { label: string; min: number[]; max: number[] }[] } = await (
        await fetch(renditionUrl(id, 'peaks'))
    ).json();
    return {
        tracks: levels.tracks.map(({ label, min, max }) => ({
            label,
            peaks: min.flatMap((low, i) => [low / 32768, max[i] / 32768]),
        })),
    };
}
/** A moment of a recording: where shared content becomes another picture, where something was written. */
export interface Mark {
    label: string;
    at_ms: number;
}
export async function loadMarks(id: string, isGone: () => boolean): Promise<Mark[]> {
    const made = await followRendition(id, 'marks', undefined, isGone, () => {});
    if (made.state !== 'ready') return [];
    const told: { marks: Mark[] } = await (await fetch(renditionUrl(id, 'marks'))).json();
    return told.marks;
}
export interface Related {
    id: string;
    start: string;
    participants: { aor: string; name: string | null }[];
}
/** The others of its group. */
export const listRelated = (id: string) =>
    request<{ related?: Related[] }>(recording(id)).then((shown) => shown.related ?? []);
export const stereoUrl = (id: string) => `/api/v1/${recording(id)}/audio/stereo.wav`;

// ---- of the recording client

export type Program = 'server' | 'client';
export interface CallRecording {
    instance: string;
    copy: number;
    initiator: 'client' | 'server';
    rule: string;
    state: 'waiting' | 'starting' | 'recording' | 'paused' | 'failing_over' | 'ended' | 'failed';
    server: string;
    rs_call_id: string;
    session_id: string;
    started: string | null;
    streams: number;
    mandatory: boolean;
    reason: { code: string; text: string } | null;
}
/** A call that runs through the client. */
export interface ClientCall {
    call: string;
    call_id: string;
    from: string;
    to: string;
    state: string;
    arrived: string;
    answered: string | null;
    held: boolean;
    recordings: CallRecording[];
}
export interface RecordingEvent {
    event: string;
    time: string;
    call: string;
    call_id: string;
    server: string;
    from_server: string;
    instance: string;
    status: number;
    reason: { code: string; text: string } | null;
}
/** What a client knows of a recording server. */
export interface RecordingServer {
    server: string;
    state: 'unknown' | 'up' | 'down';
    configured: boolean;
    quarantine_s: number;
    recordings: number;
    accepted: number;
    refused: number;
    lost: number;
    heard: string | null;
    reason: { code: string; text: string } | null;
}
/** Who has dialled into a room of the client. */
export interface RoomParticipant {
    number: number;
    uri: string;
    name: string;
    nickname: string;
    codec: string;
    joined: string;
    told: string;
    muted: boolean;
    held: boolean;
    speaker: boolean;
    seen: boolean;
    presenter: boolean;
    chat: boolean;
}
/** A conference whose focus is the client. */
export interface Room {
    conference: string;
    room: string;
    recorded_as: string;
    begun: string;
    participants: RoomParticipant[];
    recordings: CallRecording[];
}
/** A conference of others that the client has called. */
export interface Attendance {
    id: string;
    uri: string;
    state: 'calling' | 'attending' | 'ended';
    begun: string;
    recording: CallRecording;
}
export const loadProgram = () => request<{ program: Program }>('health').then((health) => health.program);
export const listClientCalls = () => request<{ calls: ClientCall[] }>('calls').then((page) => page.calls);
export const listServers = () => request<{ servers: RecordingServer[] }>('servers').then((page) => page.servers);
export const listRooms = () => request<{ conferences: Room[] }>('conferences').then((page) => page.conferences);
export const listAttendances = () => request<{ attendances: Attendance[] }>('attendances').then((page) => page.attendances);
/** A call, a room or an attendance, as the API names it: `calls/17`. */
export type Recorded = `${'calls' | 'conferences' | 'attendances'}/${string}`;
export type RecordingVerb = 'start' | 'pause' | 'resume' | 'stop' | 'hangup';
export const controlRecorded = (what: Recorded, verb: RecordingVerb, instance = '') =>
    request<{ ok: boolean }>(`${what}/${verb}`, { method: 'POST', body: JSON.stringify({ instance }) });
export const muteParticipant = (room: string, number: number, isMuted: boolean) =>
    request<{ ok: boolean }>(`conferences/${encodeURIComponent(room)}/participants/${number}/${isMuted ? 'mute' : 'unmute'}`, { method: 'POST' });
