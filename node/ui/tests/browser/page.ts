// What the tests do with pages.

import { execFileSync } from 'node:child_process';
import { expect, type Page, test as base } from '@playwright/test';
import { program } from './demo';

export const url = (): string => process.env.PLIMSOLL_URL ?? '';

/** A page that fails its test when the browser refuses or reports anything. */
export const test = base.extend<{ complaints: string[] }>({
    complaints: [
        async ({ page }, use) => {
            const complaints: string[] = [];
            page.on('console', (m) => {
                // an answer with an error status is told as well; the tests look at what the page makes of it
                if (m.type() === 'error' && !/Failed to load resource|net::ERR/.test(m.text())) complaints.push(m.text());
            });
            page.on('pageerror', (e) => complaints.push(`${e.message}\n${e.stack ?? ''}`));
            await use(complaints);
            expect(complaints).toEqual([]);
        },
        { auto: true },
    ],
});

/** Opens a page of the UI and waits for its title. */
export async function open(page: Page, path: string, title?: string | RegExp): Promise<void> {
    await page.goto(`${url()}/#/${path}`);
    await expect(page.locator('h1')).toContainText(title ?? /\w/);
}

/** Tells the demo something, as a person in another terminal would. */
export function order(...what: string[]): void {
    const folder = process.env.PLIMSOLL_DEMO;
    if (folder === undefined) throw new Error('this test needs a demo of its own: do not set PLIMSOLL_URL');
    execFileSync(program(), ['demo', '--data-dir', folder, ...what], { stdio: 'ignore' });
}

/** Writes samples in Prometheus' text format. */
export async function write(text: string): Promise<void> {
    const response = await fetch(`${url()}/api/v1/import/prometheus`, { method: 'POST', body: text });
    expect(response.status).toBe(204);
}
