import { expect } from '@playwright/test';
import { open, test, url, write } from './page';

test('every panel of the overview has a value within ten seconds, and goes on moving', async ({ page }) => {
    await open(page, 'overview', 'Overview');
    await expect(page.locator('.tag', { hasText: 'live' })).toBeVisible();
    const stats = page.locator('.panel .stat .value');
    await expect(stats).toHaveCount(6, { timeout: 10_000 });
    // six small ones under the figures, four graphs
    await expect(page.locator('.panel canvas')).toHaveCount(10, { timeout: 10_000 });
    await expect(page.locator('.node')).toHaveCount(3);
    const tokens = page.getByRole('region', { name: 'Tokens', exact: true }).locator('.value');
    const before = await tokens.textContent();
    await expect(tokens).not.toHaveText(before ?? '', { timeout: 30_000 });
});

test('every page opens and names itself', async ({ page }) => {
    for (const [path, title] of [['dashboards', 'Dashboards'], ['explore', 'Explore'], ['reports', 'Reports'], ['budgets', 'Budgets'], ['alerts', 'Alerts'], ['rules', 'Rules'], ['cluster', 'Cluster'], ['cardinality', 'Cardinality'], ['queries', 'Queries'], ['targets', 'Targets'], ['tokens', 'Tokens']] as const) {
        await open(page, path, title);
        await expect(page.locator('.page [aria-busy="true"]')).toHaveCount(0);
        await expect(page).toHaveTitle(`${title} · Plimsoll`);
    }
});

test('no panel of a built-in dashboard fails', async ({ page }) => {
    test.setTimeout(400_000);
    const list = (await (await fetch(`${url()}/api/v1/dashboards`)).json()) as { data: Array<{ id: string; title: string; panels: number }> };
    expect(list.data.length).toBeGreaterThanOrEqual(10);
    for (const { id, title, panels } of list.data) {
        await open(page, `dashboards/${id}?from=now-5m`, title);
        await expect(page.locator('.panel')).toHaveCount(panels);
        await expect(page.locator('.panel [aria-busy="true"]')).toHaveCount(0);
        await expect(page.locator('.panel [role="alert"]'), id).toHaveCount(0);
    }
});

test('a phone needs no sideways scrolling', async ({ page }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ['overview', 'dashboards', 'explore?expr=active_loops', 'cluster', 'cardinality', 'queries', 'dashboards/tokens-and-cost']) {
        await open(page, path);
        await expect(page.locator('.page')).toBeVisible();
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wider, path).toBeLessThanOrEqual(0);
    }
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'Cluster' }).click();
    await expect(page.locator('h1')).toContainText('Cluster');
});

test('labels with markup in them are text and nothing else', async ({ page }) => {
    const evil = '<img src=x onerror=window.hacked=1><script>window.hacked=1</script>';
    const quoted = evil.replace(/\\/g, '\\\\').replace(/"/g, '\\"');
    await write(`ui_hostile{evil="${quoted}"} 1\n`);
    for (const path of ['explore?expr=ui_hostile', 'explore?expr=ui_hostile&tab=table', `cardinality?match=${encodeURIComponent('{__name__="ui_hostile"}')}`]) {
        await open(page, path);
        await expect(page.locator('.page')).toContainText('<img src=x');
        expect(await page.locator('.page img').count()).toBe(0);
    }
    // under the pointer too
    await open(page, 'explore?expr=ui_hostile&from=now-5m');
    await page.locator('.u-over').hover({ position: { x: 400, y: 100 } });
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined();
});

test('keys go to pages, turn the light on and find a dashboard', async ({ page }) => {
    await open(page, 'overview', 'Overview');
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await expect(page.locator('h1')).toContainText('Cluster');
    const before = await page.locator('html').getAttribute('data-theme');
    await page.keyboard.press('t');
    await expect(page.locator('html')).not.toHaveAttribute('data-theme', before ?? '');
    await page.keyboard.press('Control+k');
    await page.getByRole('textbox', { name: 'Page or dashboard' }).fill('tool us');
    await page.keyboard.press('Enter');
    await expect(page.locator('h1')).toContainText('Tool usage');
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
});
