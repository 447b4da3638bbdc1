// node video_page.mjs URL [PICTURE.png]: a recording with a camera and a shared screen plays in Debian's Chromium: both
// tracks as they came, following the sound, the small pictures, the marks of the screen, and the composed WebM and MP4. Throws where something is missing.
import assert from 'node:assert/strict';

import { launch, open, until } from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launch();
try {
    const { page, problems } = await open(browser, url, { width: 1320, height: 1100 });
    await page.getByRole('option').first().click();
    const times = () => page.evaluate(() => [...document.querySelectorAll('.pictures video')].map((video) => video.currentTime));
    const sizes = () => page.evaluate(() => [...document.querySelectorAll('.pictures video')].map((video) => video.videoWidth));
    await until(async () => (await sizes()).filter((width) => width > 0).length === 2, 'both tracks are loaded', 60000);
    await page.getByRole('button', { name: 'Play', exact: false }).first().click();
    await until(async () => (await times()).every((time) => time > 1.2), 'both pictures follow the sound', 30000);
    // Small pictures of the call, and where the shared screen changes: both are places to jump to.
    await until(
        () => page.evaluate(() => document.querySelector('.strip button')?.style.backgroundImage.includes('sheet')),
        'the small pictures are there',
        60000,
    );
    await until(async () => (await page.locator('.marks button').count()) > 0, 'the screen has marks', 60000);
    const at = () => page.evaluate(() => document.querySelector('audio').currentTime);
    await page.getByRole('button', { name: 'Pause', exact: false }).first().click();
    await page.locator('.strip button[tabindex="0"]').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await until(async () => (await at()) > 4.5, 'the last small picture leads to the end');
    await page.keyboard.press('p');
    await until(async () => (await at()) < 4.5, 'the key p leads to the change before');
    if (picture) await page.screenshot({ path: picture });

    for (const name of ['webm', 'mp4']) {
        await page.locator(`[data-make=${name}]`).click();
        await page.locator(`[data-watch=${name}]`).click({ timeout: 90000 });
        await until(
            () => page.evaluate(() => document.querySelector('video.watched')?.currentTime > 0.5),
            `the ${name} plays`,
            60000,
        );
        assert.equal(await page.evaluate(() => document.querySelector('video.watched').videoWidth), 1280, name);
    }
    await page.locator('[data-make=ogg]').click();
    await page.locator('a[href*="format=ogg"]').waitFor({ timeout: 60000 });
    assert.deepEqual(problems, [], 'errors on the page');
} finally {
    await browser.close();
}
