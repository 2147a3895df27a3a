// Range queries, answered by a worker: the JSON of a million points is read and laid out off the page's thread.

import type { Frame } from '../data/frame';
import { away, loginReason, token } from './client';
import { ApiError } from './client';

export interface RangeQuestion {
    expr: string;
    start: number;
    end: number;
    step: number;
    /** Points that the picture is wide. */
    points: number;
    /** Series that are taken at most. */
    series: number;
    /** Dashboard and panel, for the list of queries. */
    origin?: { dashboard: string; panel: string };
}

export interface Asked extends RangeQuestion {
    id: number;
    token: string;
}

export type Answered =
    | { id: number; frame: Frame; parsedBytes: number }
    | { id: number; error: string; status: number; kind: string };

interface Waiting {
    resolve: (frame: Frame) => void;
    reject: (error: unknown) => void;
}

let worker: Worker | undefined;
let next = 1;
const waiting = new Map<number, Waiting>();

function start(): Worker {
    const made = new Worker(new URL('./range.worker.ts', import.meta.url), { type: 'module' });
    made.onmessage = (event: MessageEvent<Answered>) => {
        const answer = event.data;
        const who = waiting.get(answer.id);
        waiting.delete(answer.id);
        if ('frame' in answer) {
            away.value = undefined;
            who?.resolve(answer.frame);
            return;
        }
        if (answer.status === 401) loginReason.value = token.value ? answer.error : 'This node asks for a token.';
        if (answer.status === 0) away.value = 'the node does not answer';
        who?.reject(new ApiError(answer.error, answer.status, answer.kind));
    };
    return made;
}

/** Asks for a range. Aborting ends the query on the node too. */
export function askRange(question: RangeQuestion, abort?: AbortSignal): Promise<Frame> {
    worker ??= start();
    const id = next++;
    const to = worker;
    return new Promise((resolve, reject) => {
        if (abort?.aborted) return reject(new DOMException('aborted', 'AbortError'));
        waiting.set(id, { resolve, reject });
        abort?.addEventListener('abort', () => {
            if (!waiting.delete(id)) return;
            to.postMessage({ cancel: id });
            reject(new DOMException('aborted', 'AbortError'));
        });
        to.postMessage({ ...question, id, token: token.value } satisfies Asked);
    });
}
