// node rooms_page.mjs URL [PICTURE.png]: the page of a recording client with a room, conf-1, in which ada and bo are and that is
// recorded: what it shows, and its buttons. It ends with the conference. Throws, and so ends with 1, where something is missing.
import assert from 'node:assert/strict';

import { launch, open } from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launch();
try {
    const { page, problems } = await open(browser, url, { width: 1100, height: 640 });
    const rooms = page.getByRole('region', { name: 'Conferences' });
    await rooms.getByText('conf-1', { exact: true }).waitFor({ timeout: 15000 });
    const people = rooms.getByRole('list', { name: 'Participants of conf-1' });
    await people.getByText('Ada Lindqvist').waitFor({ timeout: 15000 });
    await people.getByText('Bo Okafor').waitFor({ timeout: 15000 });
    const state = (text) => rooms.locator('.state', { hasText: text });
    await state('recording').waitFor({ timeout: 15000 });

    await people.getByRole('button', { name: 'Mute Bo Okafor' }).click();
    await people.locator('.state', { hasText: 'muted' }).waitFor({ timeout: 15000 });
    await rooms.getByRole('button', { name: 'Pause the recording of conf-1' }).click();
    await state('paused').waitFor({ timeout: 15000 });
    if (picture) await page.screenshot({ path: picture });
    await rooms.getByRole('button', { name: 'Resume the recording of conf-1' }).click();
    await state('recording').waitFor({ timeout: 15000 });
    await people.getByRole('button', { name: 'Unmute Bo Okafor' }).click();
    await people.locator('.state', { hasText: 'muted' }).waitFor({ state: 'detached', timeout: 15000 });

    // The first press asks.
    const end = rooms.getByRole('button', { name: 'End the conference conf-1' });
    await end.click();
    await end.click();
    await rooms.waitFor({ state: 'detached', timeout: 15000 });
    assert.deepEqual(problems, [], 'errors on the page');
} finally {
    await browser.close();
}
