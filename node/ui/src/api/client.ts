// Calls of the node's HTTP API, with the token of this tab.

import { signal } from '@preact/signals';

const TOKEN_KEY = 'plimsoll.token';

/** The token of this tab; it goes with the tab. */
export const token = signal<string>(read(TOKEN_KEY));
/** Why somebody has to log in, while they have to. */
export const loginReason = signal<string | undefined>(undefined);
/** Whether the node was away at the last call. */
export const away = signal<string | undefined>(undefined);

function read(key: string): string {
    try {
        return sessionStorage.getItem(key) ?? '';
    } catch {
        return '';
    }
}

/** Takes a token, or forgets it. */
export function setToken(text: string): void {
    token.value = text;
    loginReason.value = undefined;
    try {
        if (text) sessionStorage.setItem(TOKEN_KEY, text);
        else sessionStorage.removeItem(TOKEN_KEY);
    } catch {
        // a browser that keeps nothing: the token holds until the page is loaded again
    }
}

/** A call that did not succeed. */
export class ApiError extends Error {
    constructor(
        text: string,
        /** HTTP status; 0 when no answer came. */
        readonly status: number,
        readonly kind = '',
    ) {
        super(text);
    }
}

/** What to send with every call. */
export function headers(bearer = token.value): Record<string, string> {
    return bearer ? { authorization: `Bearer ${bearer}` } : {};
}

interface Envelope<T> {
    status: 'success' | 'error';
    data: T;
    error?: string;
    errorType?: string;
    warnings?: string[];
}

/** Sends a call. A 401 asks for a token. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
        response = await fetch(path, { ...init, headers: { ...headers(), ...(init.headers as Record<string, string>) } });
    } catch (e) {
        if (init.signal?.aborted) throw e;
        away.value = 'the node does not answer';
        throw new ApiError('the node does not answer; it is asked again', 0);
    }
    away.value = undefined;
    if (response.ok) return response;
    const error = await failure(response);
    if (response.status === 401) loginReason.value = token.value ? error.message : 'This node asks for a token.';
    throw error;
}

async function failure(response: Response): Promise<ApiError> {
    const text = await response.text();
    try {
        const body = JSON.parse(text) as Envelope<unknown>;
        return new ApiError(body.error ?? text, response.status, body.errorType);
    } catch {
        return new ApiError(text.slice(0, 300) || `status ${response.status}`, response.status);
    }
}

/** Data of `GET path`. */
export async function get<T>(path: string, parameters: Parameters = {}, abort?: AbortSignal): Promise<T> {
    const query = encode(parameters);
    const response = await send(query ? `${path}?${query}` : path, { signal: abort });
    return ((await response.json()) as Envelope<T>).data;
}

/** Data of a form that is posted, for what may be too long for an address. */
export async function post<T>(path: string, parameters: Parameters = {}, abort?: AbortSignal): Promise<T> {
    const response = await send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: encode(parameters),
        signal: abort,
    });
    return ((await response.json()) as Envelope<T>).data;
}

/** Sends `body` as JSON and answers the data. */
export async function sendJson<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await send(path, {
        method,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (text === '') return undefined as T;
    const parsed = JSON.parse(text) as Envelope<T> | T;
    return parsed !== null && typeof parsed === 'object' && 'status' in parsed && 'data' in parsed ? (parsed as Envelope<T>).data : (parsed as T);
}

/** Values of a call; a list is the same name several times. */
export type Parameters = Record<string, string | number | boolean | string[] | undefined>;

/** As `application/x-www-form-urlencoded`. */
export function encode(parameters: Parameters): string {
    const out = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
        if (value === undefined) continue;
        for (const one of Array.isArray(value) ? value : [value]) out.append(name, String(one));
    }
    return out.toString();
}
