import { expect, type Page } from '@playwright/test';
import { open, test } from './page';

async function type(page: Page, text: string): Promise<void> {
    await page.locator('.cm-content').click();
    await page.keyboard.type(text, { delay: 20 });
}

test('a query is completed, run, shown in every way, remembered and shared', async ({ page, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await open(page, 'explore', 'Explore');
    await type(page, 'sum by (loop_type) (active_lo');
    await expect(page.locator('.cm-tooltip-autocomplete')).toContainText('active_loops');
    // a key within the first moment of the list is for the text, not for the list
    await page.locator('.cm-tooltip-autocomplete li', { hasText: 'active_loops' }).first().click();
    await page.keyboard.press('Control+Enter');
    await expect(page).toHaveURL(/expr=sum/);
    await expect(page.locator('.legend button')).toHaveCount(4);
    await expect(page.locator('.page')).toContainText('4 series');

    await page.getByRole('tab', { name: 'Table' }).click();
    await expect(page.locator('tbody tr')).toHaveCount(4);
    await page.getByRole('tab', { name: 'Explain' }).click();
    await expect(page.locator('.tree')).toContainText('active_loops');

    await page.getByRole('button', { name: 'Share' }).click();
    await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toMatch(/from=\d{10}&to=\d{10}|to=\d{10}/);

    await page.reload();
    await page.getByRole('button', { name: 'Queries run before' }).click();
    await expect(page.locator('.pop')).toContainText('active_loops');
});

test('a histogram is a heat map, and something else says what it takes', async ({ page }) => {
    await open(page, `explore?tab=heatmap&from=now-15m&expr=${encodeURIComponent('sum by (le) (rate(loop_execution_duration_seconds_bucket[1m]))')}`);
    await expect(page.locator('.plot canvas')).toBeVisible();
    await page.locator('.plot').hover({ position: { x: 500, y: 300 } });
    await expect(page.locator('.tip')).toContainText(/to|over/);
    await open(page, 'explore?tab=heatmap&expr=active_loops');
    await expect(page.locator('.empty')).toContainText('needs buckets');
});

test('a wrong query is answered with what is wrong, and an empty answer with what to run', async ({ page }) => {
    await open(page, `explore?expr=${encodeURIComponent('sum((up')}`);
    await expect(page.getByRole('alert')).toContainText(/parse|unclosed|unexpected/i);
    await open(page, 'explore?expr=there_is_no_such_metric');
    await expect(page.locator('.empty pre')).toContainText('plimsoll');
});

test('dragging over a graph shows what lies under it', async ({ page }) => {
    await open(page, 'explore?expr=active_loops&from=now-15m');
    const plot = page.locator('.u-over');
    await expect(plot).toBeVisible();
    const box = await plot.boundingBox();
    if (!box) throw new Error('a plot has a place');
    await page.mouse.move(box.x + box.width * 0.5, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await expect(page).toHaveURL(/from=\d{10}/);
});

test('a million points are drawn and the page answers meanwhile', async ({ page }) => {
    await open(page, 'explore', 'Explore');
    await page.evaluate(() => {
        const seen = { longest: 0 };
        (window as unknown as { seen: typeof seen }).seen = seen;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) seen.longest = Math.max(seen.longest, entry.duration);
        }).observe({ entryTypes: ['longtask'] });
    });
    await page.evaluate(() => {
        location.hash = '#/explore?expr=%7Bjob%3D%22agents%22%7D&from=now-15m&refresh=0';
    });
    const summary = page.locator('.page p.num');
    await expect(summary).toContainText('points', { timeout: 60_000 });
    const points = Number((/([\d,]+) points/.exec((await summary.textContent()) ?? '')?.[1] ?? '0').replace(/,/g, ''));
    expect(points).toBeGreaterThan(1_000_000);
    await expect(page.locator('.u-wrap')).toBeVisible();
    const longest = await page.evaluate(() => (window as unknown as { seen: { longest: number } }).seen.longest);
    console.log(`${points} points; the page was busy for at most ${Math.round(longest)} ms at a time`);
    expect(longest).toBeLessThan(2000);
});
