// Hooks: a call whose answer is on the page, asked again now and then.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './client';
import { reloads } from '../shell/state';

export interface Loaded<T> {
    data: T | undefined;
    error: ApiError | undefined;
    /** Before the first answer. */
    waiting: boolean;
    reload: () => void;
}

/** Calls `ask` now, each `everyMs`, at the reader's wish, and whenever one of `about` changes. A page in the
 * background asks for nothing. */
export function useCall<T>(ask: (abort: AbortSignal) => Promise<T>, about: unknown[], everyMs = 0): Loaded<T> {
    const [state, setState] = useState<{ data?: T; error?: ApiError; waiting: boolean }>({ waiting: true });
    const [turn, setTurn] = useState(0);
    const latest = useRef(ask);
    latest.current = ask;
    const again = reloads.value;
    useEffect(() => {
        const abort = new AbortController();
        let timer: ReturnType<typeof setTimeout> | undefined;
        const call = async () => {
            if (!document.hidden || timer === undefined) {
                try {
                    const data = await latest.current(abort.signal);
                    if (!abort.signal.aborted) setState({ data, waiting: false });
                } catch (e) {
                    if (abort.signal.aborted) return;
                    const error = e instanceof ApiError ? e : new ApiError(String(e), 0);
                    setState((old) => ({ data: error.status === 0 ? old.data : undefined, error, waiting: false }));
                }
            }
            if (everyMs > 0 && !abort.signal.aborted) timer = setTimeout(() => void call(), everyMs);
        };
        void call();
        return () => {
            abort.abort();
            if (timer !== undefined) clearTimeout(timer);
        };
    }, [...about, turn, again, everyMs]);
    return { data: state.data, error: state.error, waiting: state.waiting, reload: () => setTurn((n) => n + 1) };
}
