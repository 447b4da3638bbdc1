// Debian's Chromium for the tests of pages, and waiting that the pages' content security policy allows.
import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

// Playwright's own waitForFunction needs eval, which the policy rightly forbids.
export async function until(condition, what, limit_ms = 15000) {
    for (let i = 0; i < limit_ms / 100; ++i) {
        if (await condition()) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`never: ${what}`);
}

export const launch = () =>
    chromium.launch({
        executablePath: '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update',
            '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
    });

/** Opens a page that collects the errors that it shows or throws. */
export async function open(browser, url, size) {
    const page = await browser.newPage({ viewport: size });
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(url);
    return { page, problems };
}
