// Keys, the list of them, and the palette that finds a page by its name.

import { signal } from '@preact/signals';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { DashboardEntry } from '../data/dashboard';
import { Dialog } from './parts';
import { PAGES } from './pages';
import { go, href, reloads, setTheme, theme } from './state';

export const helpOpen = signal(false);
export const paletteOpen = signal(false);

/** Listens for keys; answers how to stop. */
export function listen(): () => void {
    let after = 0;
    const key = (e: KeyboardEvent) => {
        if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
            e.preventDefault();
            paletteOpen.value = !paletteOpen.value;
            return;
        }
        const at = e.composedPath()[0] as HTMLElement;
        if (e.ctrlKey || e.metaKey || e.altKey || at.closest?.('input, textarea, select, [contenteditable="true"]')) return;
        const following = Date.now() - after < 1200;
        after = 0;
        const page = following && PAGES.find((p) => p.key === e.key);
        if (page) go(page.path);
        else if (e.key === 'g') after = Date.now();
        else if (e.key === 't') setTheme(theme.value === 'dark' ? 'light' : 'dark');
        else if (e.key === '.') reloads.value++;
        else if (e.key === '?') helpOpen.value = true;
        else if (e.key === '/') {
            e.preventDefault();
            const field = document.querySelector<HTMLElement>('[data-search] .cm-content, [data-search]');
            if (field) field.focus();
            else paletteOpen.value = true;
        }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
}

export function Help() {
    if (!helpOpen.value) return null;
    const rows: Array<[string[], string]> = [
        [['Ctrl', 'K'], 'find a page or a dashboard'],
        ...PAGES.map((p): [string[], string] => [['g', p.key], p.title]),
        [['/'], 'to the query or the search field'],
        [['.'], 'refresh'],
        [['t'], 'dark or light'],
        [['?'], 'this list'],
        [['Esc'], 'close'],
    ];
    return (
        <Dialog title="Keys" close={() => { helpOpen.value = false; }}>
            <table><tbody>{rows.map(([keys, what]) => <tr key={what}><td class="tight">{keys.map((k) => <span class="kbd" key={k} style={{ marginRight: '4px' }}>{k}</span>)}</td><td>{what}</td></tr>)}</tbody></table>
        </Dialog>
    );
}

export function Palette() {
    return paletteOpen.value ? <OpenPalette /> : null;
}

function OpenPalette() {
    const [text, setText] = useState('');
    const [at, setAt] = useState(0);
    const [dashboards, setDashboards] = useState<DashboardEntry[]>([]);
    useEffect(() => {
        // without the list the pages can still be found
        get<DashboardEntry[]>('/api/v1/dashboards').then(setDashboards, () => undefined);
    }, []);
    const close = () => {
        paletteOpen.value = false;
    };
    const found = useMemo(() => {
        const all = [
            ...PAGES.map((p) => ({ title: p.title, kind: 'page', to: href(p.path) })),
            ...dashboards.map((d) => ({ title: d.title, kind: 'dashboard', to: href(`dashboards/${encodeURIComponent(d.id)}`) })),
        ];
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);
        return all.filter((one) => words.every((w) => one.title.toLowerCase().includes(w))).slice(0, 12);
    }, [text, dashboards]);
    const key = (e: KeyboardEvent) => {
        if (e.key === 'ArrowDown') setAt(Math.min(at + 1, found.length - 1));
        else if (e.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
        else if (e.key === 'Escape') close();
        else if (e.key === 'Enter' && found[at]) {
            location.hash = found[at].to;
            close();
        } else return;
        e.preventDefault();
    };
    return (
        <div class="dialog-back" onPointerDown={(e) => e.target === e.currentTarget && close()}>
            <div class="dialog palette" role="dialog" aria-modal="true" aria-label="Find a page">
                <input ref={(el) => el?.focus()} placeholder="Page or dashboard" aria-label="Page or dashboard" value={text} onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={key} />
                <ul role="listbox">
                    {found.map((one, i) => <li role="option" aria-selected={i === at} key={one.to}><a href={one.to} onClick={close}>{one.title}<span class="faint">{one.kind}</span></a></li>)}
                    {found.length === 0 && <li class="faint" style={{ padding: '6px 10px' }}>No page of this name.</li>}
                </ul>
            </div>
        </div>
    );
}
