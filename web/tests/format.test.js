import assert from 'node:assert/strict';
import test from 'node:test';

import { duration, gapTotals, parties, shortAor, who } from '../src/format.js';

test('a duration is minutes and seconds, with hours when there are any', () => {
    assert.equal(duration(10_020), '0:10');
    assert.equal(duration(59_999), '1:00');
    assert.equal(duration(3_725_000), '1:02:05');
    assert.equal(duration(null), '');
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
