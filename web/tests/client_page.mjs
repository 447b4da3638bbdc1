// node client_page.mjs URL [PICTURE.png]: the page of a recording client with one running call that is recorded: what it
// shows, and its buttons by the keyboard. Throws, and so ends with 1, where something is missing.
import assert from 'node:assert/strict';

import { launch, open } from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launch();
try {
    const { page, problems } = await open(browser, url, { width: 1100, height: 560 });
    const calls = page.getByRole('region', { name: 'Running calls' });
    await calls.getByText('ada', { exact: true }).waitFor({ timeout: 15000 });
    await calls.locator('.state', { hasText: 'recording' }).waitFor({ timeout: 15000 });

    await calls.getByRole('button', { name: 'Pause the recording of ada' }).focus();
    await page.keyboard.press('Enter');
    await calls.locator('.state', { hasText: 'paused' }).waitFor({ timeout: 15000 });
    await calls.getByRole('button', { name: 'Resume the recording of ada' }).click();
    await calls.locator('.state', { hasText: 'recording' }).waitFor({ timeout: 15000 });
    if (picture) await page.screenshot({ path: picture });

    // The first press asks.
    const stop = calls.getByRole('button', { name: 'Stop the recording of ada' });
    await stop.click();
    await stop.click();
    await calls.locator('.state', { hasText: 'ended' }).waitFor({ timeout: 15000 });
    await page.getByRole('region', { name: 'Events' }).getByText('stop', { exact: true }).waitFor({ timeout: 15000 });
    await calls.getByRole('button', { name: 'Record the call of ada' }).click();
    await calls.locator('.state', { hasText: 'recording' }).waitFor({ timeout: 15000 });
    assert.deepEqual(problems, [], 'errors on the page');
} finally {
    await browser.close();
}
