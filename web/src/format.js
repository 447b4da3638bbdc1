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
});
/** @param {string} reason */
export function gapText(reason) {
    return kReasons[reason] ?? reason;
}
