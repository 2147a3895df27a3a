import { expect } from '@playwright/test';
import { open, test, url } from './page';

const GRAFANA = {
    title: 'From Grafana',
    schemaVersion: 39,
    templating: { list: [{ type: 'query', name: 'loop', query: 'label_values(active_loops, loop_type)', current: {} }] },
    panels: [
        { type: 'timeseries', title: 'Loops', gridPos: { x: 0, y: 0, w: 12, h: 8 }, targets: [{ expr: 'sum by (loop_type) (active_loops{loop_type=~"$loop"})', legendFormat: '{{loop_type}}' }] },
        { type: 'nodeGraph', title: 'A graph', gridPos: { x: 12, y: 0, w: 12, h: 8 } },
    ],
};

test('a dashboard of Grafana comes in, shows what it can, says what it cannot, and goes again', async ({ page }) => {
    await open(page, 'dashboards', 'Dashboards');
    await page.getByRole('button', { name: 'Import' }).click();
    await page.getByRole('textbox', { name: 'JSON' }).fill(JSON.stringify(GRAFANA));
    await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
    await expect(page.getByRole('dialog')).toContainText('nodeGraph');
    await page.getByRole('dialog').getByRole('link', { name: 'From Grafana' }).click();
    await expect(page.locator('h1')).toContainText('From Grafana');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await expect(page.getByRole('region', { name: 'A graph' })).toContainText('Not shown');
    await expect(page.getByRole('region', { name: 'Loops' }).locator('.legend button')).toHaveCount(4);
    await page.locator('label', { hasText: /^loop/ }).locator('select').selectOption('coding');
    await expect(page.getByRole('region', { name: 'Loops' }).locator('.legend button')).toHaveCount(1);
    page.on('dialog', (d) => void d.accept());
    await page.getByRole('button', { name: 'Remove' }).click();
    await expect(page.locator('h1')).toHaveText('Dashboards');
    await expect(page.locator('tbody')).not.toContainText('From Grafana');
});

test('what is no dashboard is refused with the reason', async ({ page }) => {
    await open(page, 'dashboards', 'Dashboards');
    await page.getByRole('button', { name: 'Import' }).click();
    for (const [json, reason] of [['{', 'no JSON'], ['{"title":"x"}', 'panels'], ['{"title":"x","panels":[{"title":"p","kind":"line","at":{"x":0,"y":0,"w":4,"h":4},"queries":[{"expr":"sum(("}]}]}', 'panel 1']] as const) {
        await page.getByRole('textbox', { name: 'JSON' }).fill(json);
        await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
        await expect(page.locator('.dialog .notice')).toContainText(reason);
    }
});

test('a built-in dashboard is exported as what can be imported again', async ({ page }) => {
    await open(page, 'dashboards/tool-usage', 'Tool usage');
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export as JSON' }).click();
    const stream = await (await waiting).createReadStream();
    let text = '';
    for await (const part of stream) text += String(part);
    const response = await fetch(`${url()}/api/v1/dashboards/import?dry_run=true&id=copy`, { method: 'POST', body: text });
    expect(response.status).toBe(200);
});
