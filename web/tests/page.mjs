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
    // Lanes are named by who speaks, the stream's label comes second.
    await page.locator('.lanes .label').nth(0).getByText('Ada Lindqvist').waitFor({ timeout: 15000 });
    assert.match(await page.locator('.lanes .label').nth(1).innerText(), /^\s*Bo Okafor\s+\S+\s*$/);
    const people = page.getByRole('table', { name: 'Participants' });
    assert.equal(await people.locator('tbody tr').count(), 2, 'both participants are listed');
    await people.getByRole('row', { name: /Ada Lindqvist sip:ada@desk\.example (the whole time|until|from|\d)/ }).waitFor({ timeout: 5000 });
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

    // The oldest is a chat whose people wrote HTML: it stands there as text, runs nothing, and its file is saved, not shown.
    await page.keyboard.press('j');
    await article.getByRole('heading', { name: '<b onclick=1>Eve</b>' }).waitFor({ timeout: 10000 });
    const chat = article.getByRole('region', { name: 'Chat' });
    for (const text of ['<script>globalThis.ran = 1</script>', '<img src=x onerror="globalThis.ran = 2">'])
        await chat.getByText(text, { exact: true }).waitFor({ timeout: 10000 });
    assert.equal(await page.locator('main script, main img, main [onclick], main [onerror]').count(), 0, 'what was written is no markup');
    const file = chat.getByRole('link', { name: /offer\.html/ });
    const { status, headers } = await page.evaluate(async (link) => {
        const response = await fetch(link);
        return { status: response.status, headers: Object.fromEntries(response.headers) };
    }, await file.getAttribute('href'));
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.match(headers['content-disposition'], /^attachment; filename="offer\.html"/);
    assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox");
    assert.equal(headers['x-content-type-options'], 'nosniff');
    // Opened by itself, without the page's `download`.
    const saved = page.waitForEvent('download', { timeout: 10000 });
    await page.evaluate((link) => location.assign(link), await file.getAttribute('href'));
    assert.equal((await saved).suggestedFilename(), 'offer.html');
    assert.equal(await page.evaluate(() => globalThis.ran), undefined, 'what was written runs');

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
