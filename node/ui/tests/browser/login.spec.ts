import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { freePort, start, until } from './demo';
import { test } from './page';

const ROOT = 'r'.repeat(48);

test('a node with tokens asks for one, keeps it in the tab, and sends it with the live stream too', async ({ page }) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const node = start(
        (folder) => {
            const file = join(folder, 'root-token');
            writeFileSync(file, ROOT, { mode: 0o600 });
            const config = join(folder, 'plimsoll.toml');
            writeFileSync(config, `[access]\ntokens = true\nroot_token_file = ${JSON.stringify(file)}\n`);
            return ['start', '--config', config, '--data-dir', join(folder, 'data'), '--listen', `127.0.0.1:${port}`];
        },
        { PLIMSOLL_SCRAPE__OWN_INTERVAL: '1s' },
    );
    try {
        await until(`a node\n${node.log()}`, async () => (await fetch(`${url}/-/ready`)).ok);
        await page.goto(url);
        const field = page.getByLabel('Token');
        await field.fill('wrong');
        await page.getByRole('button', { name: 'Log in' }).click();
        await expect(page.getByRole('form')).toContainText(/no such token/);
        await field.fill(ROOT);
        await page.getByRole('button', { name: 'Log in' }).click();
        await expect(page.locator('h1')).toHaveText('Overview');
        await expect(page.locator('.tag', { hasText: 'live' })).toBeVisible();
        expect(await page.evaluate(() => [sessionStorage.length, JSON.stringify(localStorage).includes('rrrr')])).toEqual([1, false]);

        await page.goto(`${url}/#/tokens`);
        await page.getByRole('button', { name: 'New token' }).click();
        await page.getByLabel('Name').fill('grafana');
        await page.getByRole('button', { name: 'Make' }).click();
        await expect(page.getByRole('dialog')).toContainText('shown this once');
        await page.getByRole('button', { name: 'Close' }).click();
        await expect(page.locator('tbody')).toContainText('grafana');

        await page.getByRole('button', { name: 'Log out' }).click();
        await expect(page.getByLabel('Token')).toBeVisible();
    } finally {
        await node.stop();
    }
});
