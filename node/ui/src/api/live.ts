// Live queries: one stream a page, over which the node's hub sends what every query is at every step. Read with
// `fetch`, because an EventSource cannot carry the token.

import { signal, type Signal } from '@preact/signals';
import { type Column, type Frame, type RawSeries, parseValue, seriesText } from '../data/frame';
import { ApiError, away, encode, send } from './client';
import { EventParser, type ServerEvent } from './sse';
import type { Cluster } from './types';

export interface LiveQuestion {
    expr: string;
    /** Whether the values of one moment are enough. */
    instant: boolean;
}

export interface LiveState {
    frame?: Frame;
    error?: string;
}

interface Held {
    state: Signal<LiveState>;
    times: number[];
    columns: Map<string, { labels: Record<string, string>; values: number[] }>;
}

interface Hello {
    queries: Array<{ id: number; expr: string; window: number }>;
}

interface History {
    id: number;
    result?: RawSeries[];
    error?: string;
}

interface Tick {
    at: number;
    results: Array<{ id: number; result?: RawSeries[]; error?: string }>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
/** The node says something at least this often; silence for longer is a connection that is gone. */
const SILENCE_MS = 40_000;

const keyOf = (question: LiveQuestion) => `${question.instant ? 'i' : 'r'} ${question.expr}`;

/** The live queries of a page. */
export class LiveStore {
    readonly cluster = signal<Cluster | undefined>(undefined);
    readonly status = signal<'connecting' | 'live' | 'lost'>('connecting');
    /** Why the node ended the stream, when it did. */
    readonly reason = signal('');
    private readonly held = new Map<string, Held>();
    private readonly byId = new Map<number, Held>();
    private readonly abort = new AbortController();

    constructor(
        private readonly questions: LiveQuestion[],
        private readonly step: number,
        private readonly window: number,
    ) {
        for (const q of questions) this.held.set(keyOf(q), { state: signal({}), times: [], columns: new Map() });
    }

    /** What a query is now. */
    state(question: LiveQuestion): Signal<LiveState> | undefined {
        return this.held.get(keyOf(question))?.state;
    }

    close(): void {
        this.abort.abort();
    }

    /** Follows the stream until it is closed; a lost one is opened again. */
    async run(): Promise<void> {
        let wait = FIRST_WAIT_MS;
        while (!this.abort.signal.aborted) {
            try {
                await this.follow(() => {
                    wait = FIRST_WAIT_MS;
                });
                this.status.value = 'lost';
            } catch (e) {
                if (this.abort.signal.aborted) return;
                this.status.value = 'lost';
                this.reason.value = e instanceof Error ? e.message : String(e);
                // what the asker has to mend is not asked again and again
                if (e instanceof ApiError && e.status >= 400 && e.status < 500 && e.status !== 429) return;
            }
            await new Promise((done) => setTimeout(done, wait + Math.random() * wait * 0.3));
            wait = Math.min(wait * 2, LONGEST_WAIT_MS);
        }
    }

    private async follow(began: () => void): Promise<void> {
        const parameters = {
            query: this.questions.filter((q) => !q.instant).map((q) => q.expr),
            instant: this.questions.filter((q) => q.instant).map((q) => q.expr),
            step: this.step,
            window: this.window,
            cluster: true,
        };
        const response = await send('/api/v1/live', {
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: encode(parameters),
            signal: this.abort.signal,
        });
        const reader = response.body?.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
        if (!reader) throw new ApiError('this browser cannot read a stream', 0);
        const parser = new EventParser();
        for (;;) {
            const { done, value } = await withLimit(reader.read(), SILENCE_MS, () => void reader.cancel());
            if (done) return;
            for (const event of parser.feed(value)) {
                began();
                this.take(event);
            }
        }
    }

    private take(event: ServerEvent): void {
        const data = JSON.parse(event.data) as unknown;
        if (event.name === 'hello') this.hello(data as Hello);
        else if (event.name === 'history') this.history(data as History);
        else if (event.name === 'tick') this.tick(data as Tick);
        else if (event.name === 'cluster') this.cluster.value = data as Cluster;
        else if (event.name === 'end') this.reason.value = (data as { reason: string }).reason;
    }

    private hello(hello: Hello): void {
        this.status.value = 'live';
        this.reason.value = '';
        away.value = undefined;
        this.byId.clear();
        for (const q of hello.queries) {
            const found = this.held.get(keyOf({ expr: q.expr, instant: q.window === 0 }));
            if (found) this.byId.set(q.id, found);
        }
    }

    private history(history: History): void {
        const held = this.byId.get(history.id);
        if (!held) return;
        if (history.error !== undefined) {
            held.state.value = { error: history.error };
            return;
        }
        held.times = [...new Set((history.result ?? []).flatMap((s) => (s.values ?? []).map(([t]) => t)))].sort((a, b) => a - b);
        held.columns = new Map();
        const place = new Map(held.times.map((t, i) => [t, i]));
        for (const series of history.result ?? []) {
            const values = new Array<number>(held.times.length).fill(Number.NaN);
            for (const [t, v] of series.values ?? []) values[place.get(t) ?? 0] = parseValue(v);
            held.columns.set(seriesText(series.metric), { labels: series.metric, values });
        }
        held.state.value = { frame: frameOf(held) };
    }

    private tick(tick: Tick): void {
        for (const { id, result, error } of tick.results) {
            const held = this.byId.get(id);
            if (!held) continue;
            if (error !== undefined) {
                held.state.value = { ...held.state.value, error };
                continue;
            }
            if (this.isInstant(held)) {
                held.times = [];
                held.columns = new Map();
            }
            append(held, tick.at, result ?? [], this.window);
            held.state.value = { frame: frameOf(held) };
        }
    }

    private isInstant(held: Held): boolean {
        return this.questions.some((q) => q.instant && this.held.get(keyOf(q)) === held);
    }
}

function append(held: Held, at: number, result: RawSeries[], window: number): void {
    const lastTime = held.times[held.times.length - 1];
    if (lastTime !== undefined && at <= lastTime) return;
    held.times.push(at);
    for (const column of held.columns.values()) column.values.push(Number.NaN);
    for (const series of result) {
        const key = seriesText(series.metric);
        let column = held.columns.get(key);
        if (!column) {
            column = { labels: series.metric, values: new Array<number>(held.times.length).fill(Number.NaN) };
            held.columns.set(key, column);
        }
        if (series.value) column.values[held.times.length - 1] = parseValue(series.value[1]);
    }
    while ((held.times[0] ?? at) < at - window && held.times.length > 1) {
        held.times.shift();
        for (const column of held.columns.values()) column.values.shift();
    }
    for (const [key, column] of held.columns) if (column.values.every(Number.isNaN)) held.columns.delete(key);
}

function frameOf(held: Held): Frame {
    const columns: Column[] = [...held.columns.values()].map((c) => ({ labels: c.labels, name: '', values: Float64Array.from(c.values) }));
    return { times: Float64Array.from(held.times), columns, left: 0, warnings: [] };
}

function withLimit<T>(work: Promise<T>, limitMs: number, late: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
            late();
            reject(new Error('the stream fell silent'));
        }, limitMs);
        work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}
