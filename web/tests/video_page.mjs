// node video_page.mjs URL [PICTURE.png]: a recording with a camera and a shared screen plays in Debian's Chromium: both
// tracks as they came, following the sound, and the composed WebM and MP4. Throws where something is missing.
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
