import { expect } from '@playwright/test';
import { open, order, test } from './page';

test('a killed node is seen on the map, the overview goes on, and the node comes back', async ({ page, context }) => {
    test.setTimeout(240_000);
    test.skip(process.env.PLIMSOLL_DEMO === undefined, 'needs a demo of its own');
    await open(page, 'cluster', 'Cluster');
    await expect(page.locator('.node-card.good')).toHaveCount(3);
    const overview = await context.newPage();
    await open(overview, 'overview', 'Overview');
    await expect(overview.locator('.tag', { hasText: 'live' })).toBeVisible();
    order('kill', '2');
    try {
        await expect(page.getByRole('region', { name: 'Node 2' })).toContainText('away');
        await expect(overview.locator('.node.bad')).toHaveCount(1);
        await expect(overview.locator('.tag', { hasText: 'live' })).toBeVisible();
        const tokens = overview.getByRole('region', { name: 'Tokens', exact: true }).locator('.value');
        const before = await tokens.textContent();
        await expect(tokens).not.toHaveText(before ?? '', { timeout: 30_000 });
    } finally {
        order('start', '2');
    }
    await expect(page.locator('.node-card.good')).toHaveCount(3, { timeout: 60_000 });
    await expect(overview.locator('.node.bad')).toHaveCount(0, { timeout: 60_000 });
});
