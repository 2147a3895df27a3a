// What all pages share: place, theme, reload.

import { computed, signal } from '@preact/signals';

/** Raised when the reader asks for new data. */
export const reloads = signal(0);

export type Theme = 'dark' | 'light';
const THEME_KEY = 'plimsoll.theme';

export const theme = signal<Theme>(firstTheme());

function firstTheme(): Theme {
    const kept = remembered(THEME_KEY);
    if (kept === 'dark' || kept === 'light') return kept;
    return matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

/** What this browser was told to remember. */
export function remembered(key: string): string | undefined {
    try {
        return localStorage.getItem(key) ?? undefined;
    } catch {
        return undefined;
    }
}

/** Remembers a choice of the reader in this browser, where it may. */
export function remember(key: string, value: string): void {
    try {
        localStorage.setItem(key, value);
    } catch {
        // a browser that keeps nothing: the choice holds until the page is loaded again
    }
}

export function setTheme(next: Theme): void {
    theme.value = next;
    document.documentElement.dataset.theme = next;
    remember(THEME_KEY, next);
}

/** Where the reader is: `#/explore?expr=up` is the path `explore` and its parameters. */
export interface Place {
    path: string[];
    query: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener('hashchange', () => {
    hash.value = location.hash;
});

export const place = computed<Place>(() => {
    const [path = '', query = ''] = hash.value.replace(/^#\/?/, '').split('?', 2);
    return { path: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
});

function decoded(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

/** The address of a page. */
export function href(path: string, query: Record<string, string | undefined> = {}): string {
    const all = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') all.set(name, value);
    const text = all.toString();
    return `#/${path}${text ? `?${text}` : ''}`;
}

/** Goes to a page. */
export function go(path: string, query: Record<string, string | undefined> = {}): void {
    location.hash = href(path, query);
}

/** Changes parameters of this page without a step in the history. */
export function tune(changes: Record<string, string | undefined>): void {
    const query = Object.fromEntries(place.value.query);
    const next = href(place.value.path.map(encodeURIComponent).join('/'), { ...query, ...changes });
    history.replaceState(null, '', next);
    hash.value = next;
}
