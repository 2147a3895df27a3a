// The worker of `range.ts`: asks, reads JSON, lays series on the grid, thins them out, hands the columns over.

import { decimate } from '../data/decimate';
import { frameOf, type RawSeries } from '../data/frame';
import type { Answered, Asked } from './range';

interface Body {
    status: string;
    error?: string;
    errorType?: string;
    data?: { result: RawSeries[] };
    warnings?: string[];
}

const running = new Map<number, AbortController>();

self.onmessage = (event: MessageEvent<Asked | { cancel: number }>) => {
    const message = event.data;
    if ('cancel' in message) running.get(message.cancel)?.abort();
    else void answer(message);
};

async function answer(asked: Asked): Promise<void> {
    const abort = new AbortController();
    running.set(asked.id, abort);
    const reply = (message: Answered, moved: Transferable[] = []) => self.postMessage(message, { transfer: moved });
    try {
        const response = await fetch('/api/v1/query_range', { method: 'POST', signal: abort.signal, headers: headers(asked), body: form(asked) });
        const text = await response.text();
        const body = read(text);
        if (!response.ok || !body.data) {
            reply({ id: asked.id, error: body.error ?? text.slice(0, 300), status: response.status, kind: body.errorType ?? '' });
            return;
        }
        const whole = frameOf(body.data.result, asked.start, asked.end, asked.step, asked.series);
        const frame = { ...decimate(whole, asked.points), warnings: body.warnings ?? [] };
        const buffers = [frame.times.buffer, ...frame.columns.map((c) => c.values.buffer)] as ArrayBuffer[];
        reply({ id: asked.id, frame, parsedBytes: text.length }, buffers);
    } catch (e) {
        if (!abort.signal.aborted) reply({ id: asked.id, error: `the node does not answer (${String(e)})`, status: 0, kind: '' });
    } finally {
        running.delete(asked.id);
    }
}

function read(text: string): Body {
    try {
        return JSON.parse(text) as Body;
    } catch {
        return { status: 'error', error: text.slice(0, 300) || 'the answer was cut' };
    }
}

function headers(asked: Asked): Record<string, string> {
    const out: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' };
    if (asked.token) out.authorization = `Bearer ${asked.token}`;
    if (asked.origin) {
        out['x-dashboard-uid'] = asked.origin.dashboard;
        out['x-panel-id'] = asked.origin.panel;
    }
    return out;
}

function form(asked: Asked): string {
    const { expr, start, end, step } = asked;
    return new URLSearchParams({ query: expr, start: String(start), end: String(end), step: String(step) }).toString();
}
