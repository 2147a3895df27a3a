// What viewers of the live overview cost: CPU seconds of the node with one of them, and with many.
//
//     node tests/load/viewers.mjs http://127.0.0.1:7777 500 60
//
// Loopback only. Ends by itself.

import http from 'node:http';

const [url = 'http://127.0.0.1:7777', many = '500', seconds = '60'] = process.argv.slice(2);
const { hostname, port } = new URL(url);
if (!['127.0.0.1', 'localhost'].includes(hostname)) throw new Error('only a node on this machine is loaded');
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

const text = async (path) => (await fetch(url + path)).text();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function cpu() {
    return Number(/^process_cpu_seconds_total (\S+)/m.exec(await text('/metrics'))[1]);
}

/** The queries of the overview, as the page asks them. */
async function form() {
    const { data } = JSON.parse(await text('/api/v1/dashboards/overview'));
    const out = new URLSearchParams({ step: '5', window: '900', cluster: 'true' });
    for (const panel of data.panels) {
        for (const { expr } of panel.queries ?? []) out.append(panel.kind === 'bars' || panel.kind === 'table' ? 'instant' : 'query', expr);
    }
    return out.toString();
}

function view(body, seen) {
    const request = http.request({ host: hostname, port, path: '/api/v1/live', method: 'POST', agent, headers: { 'content-type': 'application/x-www-form-urlencoded' } }, (response) => {
        if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
        response.on('data', (part) => {
            seen.bytes += part.length;
            seen.ticks += part.includes('event: tick') ? 1 : 0;
            seen.ends += part.includes('event: end') ? 1 : 0;
        });
    });
    request.on('error', () => undefined);
    request.end(body);
    return request;
}

async function measure(count) {
    const body = await form();
    const seen = { bytes: 0, ticks: 0, ends: 0 };
    const viewers = [];
    for (let i = 0; i < count; i++) {
        viewers.push(view(body, seen));
        if (i % 50 === 49) await pause(100);
    }
    await pause(8000);
    Object.assign(seen, { bytes: 0, ticks: 0 });
    const before = await cpu();
    await pause(Number(seconds) * 1000);
    const used = (await cpu()) - before;
    viewers.forEach((v) => v.destroy());
    await pause(2000);
    console.log(`${count} viewers: ${((used / Number(seconds)) * 100).toFixed(2)} % of a core, ${(seen.ticks / Number(seconds)).toFixed(1)} ticks/s and ${(seen.bytes / Number(seconds) / 1024).toFixed(0)} KiB/s sent, ${seen.ends} let go`);
    return used;
}

await measure(0);
const one = await measure(1);
const all = await measure(Number(many));
console.log(`${many} viewers cost ${(all / one).toFixed(3)} times one`);
agent.destroy();
process.exit(0);
