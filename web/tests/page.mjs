// node page.mjs URL [PICTURE.png]: opens the page in Debian's Chromium, looks at what it shows, plays the audio and
// uses the keyboard. Throws, and so ends with 1, where something is missing.
import assert from 'node:assert/strict';

import { launch, open, until } from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launch();
try {
    const { page, problems } = await open(browser, url, { width: 1320, height: 880 });

    const rows = page.getByRole('option');
    await rows.first().waitFor({ timeout: 15000 });
    await page.getByText('being recorded').waitFor({ timeout: 15000 });
    // The newest is the running call; the finished one is below it.
    await page.keyboard.press('j');
    const article = page.locator('article');
    await article.getByRole('heading', { name: /Ada Lindqvist, Bo Okafor/ }).waitFor({ timeout: 10000 });
    for (const text of ['sip:bo@desk.example', 'PCMU/8000', 'Stereo WAV']) await article.getByText(text).first().waitFor({ timeout: 5000 });
    await page.locator('.lanes .label').nth(1).waitFor({ timeout: 15000 });
    assert.equal(await page.locator('.lanes .gap').count() > 0, true, 'the hold is drawn as a gap');

    await page.keyboard.press('?');
    await page.getByText('next and previous picture').waitFor({ timeout: 5000 });
    await page.keyboard.press('Escape');
    assert.equal(await page.getByText('next and previous picture').count(), 0, 'Escape closes the list of keys');

    await article.getByRole('button', { name: 'Verify' }).click();
    await article.getByText('every part matches the signed manifest').waitFor({ timeout: 15000 });

    await page.mouse.click(5, 870);
    await page.keyboard.press(' ');
    await until(() => page.evaluate(() => document.querySelector('audio').currentTime > 0.5), 'the audio plays');
    if (picture) {
        await page.evaluate(() => scrollTo(0, 0));  // Verify stands below the events
        await page.screenshot({ path: picture });
    }
    await page.keyboard.press(' ');
    await until(() => page.evaluate(() => document.querySelector('audio').paused), 'space pauses the audio');

    await page.keyboard.press('/');
    await page.keyboard.type('nobody-of-this-name');
    await page.getByText('Nothing matches').waitFor({ timeout: 10000 });
    assert.deepEqual(problems, [], 'errors on the page');

    // The link opens the page once; a second browser is refused.
    const other = await (await browser.newContext()).newPage();
    const again = await other.goto(url);
    assert.notEqual(again.status(), 200, 'a used link opened the page again');
} finally {
    await browser.close();
}
