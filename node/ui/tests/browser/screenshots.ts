// Pictures of the pages for docs/screenshots, from a demo: `make screenshots`.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { open } from './page';

const OUT = process.env.SCREENSHOTS ?? join(import.meta.dirname, '../../../../docs/screenshots');
mkdirSync(OUT, { recursive: true });

async function shot(page: Page, name: string): Promise<void> {
    await expect(page.locator('.page [aria-busy="true"]')).toHaveCount(0);
    // fonts and canvases have one more frame to come
    await page.evaluate(() => document.fonts.ready.then(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))));
    await page.screenshot({ path: join(OUT, `${name}.png`) });
}

const DASHBOARDS = ['loop-performance', 'tokens-and-cost', 'budgets-and-showback', 'tool-usage', 'errors-and-providers', 'coding-agents', 'system-health', 'cluster-health', 'cardinality-and-usage'];

test('overview', async ({ page }) => {
    await open(page, 'overview', 'Overview');
    await expect(page.locator('.panel .stat .value')).toHaveCount(6);
    await shot(page, 'overview');
    await page.keyboard.press('t');
    await shot(page, 'overview-light');
    await page.setViewportSize({ width: 390, height: 844 });
    await shot(page, 'overview-phone');
});

for (const id of DASHBOARDS) {
    test(id, async ({ page }) => {
        await open(page, `dashboards/${id}?from=now-15m`);
        await expect(page.locator('.panel').first()).toBeVisible();
        await shot(page, `dashboard-${id}`);
    });
}

test('explore', async ({ page }) => {
    const range = 'from=now-15m&expr=';
    await open(page, `explore?${range}${encodeURIComponent('sum by (model) (rate(llm_tokens_total[1m]))')}`);
    await expect(page.locator('.legend button')).toHaveCount(4);
    await page.locator('.u-over').hover({ position: { x: 700, y: 160 } });
    await shot(page, 'explore');
    await open(page, `explore?tab=heatmap&${range}${encodeURIComponent('sum by (le) (rate(loop_execution_duration_seconds_bucket[1m]))')}`);
    await shot(page, 'explore-heatmap');
    await open(page, `explore?tab=explain&${range}${encodeURIComponent('histogram_quantile(0.95, sum by (le) (rate(loop_execution_duration_seconds_bucket[5m])))')}`);
    await expect(page.locator('.tree')).toBeVisible();
    await shot(page, 'explore-explain');
});

for (const name of ['dashboards', 'cluster', 'cardinality', 'queries', 'alerts', 'rules', 'targets', 'tokens', 'budgets', 'reports']) {
    test(name, async ({ page }) => {
        await open(page, name);
        await shot(page, name);
    });
}
